import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { NEVER_CAUGHT, OPERATIONS, titleOf } from "./_race_operations.ts";
import { type RaceRow, type RaceWay, runRace, whyNoRace } from "./race.ts";

const reason = whyNoRace();
if (reason !== undefined) console.log(`skipped: the race (${reason})`);
const ignore = reason !== undefined;

/** Of each operation; all together are more than 20,000. */
const ATTEMPTS = 460;

/** More than any control took: one in ten or so is caught. */
const CONTROL_ATTEMPTS = 20_000;

/** What a name that comes, goes and changes its place may be refused with. */
const REFUSALS: ReadonlySet<string> = new Set([
  "path-outside-root",
  "not-found",
  "already-exists",
  "not-a-file",
  "not-a-directory",
  "directory-not-empty",
  "symlink-loop",
  "root-moved",
]);

/** A walk passes over a directory that has become a link. */
const NEVER_REFUSED: ReadonlySet<string> = new Set([...NEVER_CAUGHT, "walk on the way"]);

const sum = (rows: readonly RaceRow[], of: (row: RaceRow) => number): number =>
  rows.reduce((total, row) => total + of(row), 0);

for (const protection of ["fd-verified", "kernel"] as const) {
  Deno.test({
    name: `${protection} lets nothing in or out while names are exchanged under it`,
    ignore,
    fn: async () => {
      const { rows } = await runRace({ protection, attempts: ATTEMPTS });

      assertEquals(rows.filter(({ escapes }) => escapes > 0), []);
      assertGreaterOrEqual(sum(rows, ({ attempts }) => attempts), 20_000);
      // It was a race: every operation met both states, but for those that mind neither.
      const oneSided = rows.filter((row) =>
        row.done === 0 || (row.done === row.attempts && !NEVER_REFUSED.has(titleOf(row)))
      );
      assertEquals(oneSided, []);
      const faults = rows.filter(({ codes }) => Object.keys(codes).some((c) => !REFUSALS.has(c)));
      assertEquals(faults, []);
    },
  });
}

for (const way of ["exchange", "rename"] as const satisfies readonly RaceWay[]) {
  Deno.test({
    name: `the same race catches the naive way in every operation, names exchanged by ${way}`,
    ignore,
    fn: async () => {
      const { rows } = await runRace({
        protection: "naive",
        way,
        untilEscape: true,
        attempts: CONTROL_ATTEMPTS,
      });
      assertEquals(rows.length, OPERATIONS.length - NEVER_CAUGHT.size);
      assertEquals(rows.filter(({ escapes }) => escapes === 0), []);
    },
  });
}
