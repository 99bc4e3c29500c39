import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { isVulnerable, keyOf, naive } from "./oracle.ts";
import { openAdvisoryDb } from "../../../src/supply_chain/advisories/advisory_db.ts";
import {
  affectedBy,
  type OsvAffected,
  type OsvEvent,
  type OsvRange,
  type OsvRecord,
} from "../../../src/supply_chain/advisories/osv.ts";

const SEED = { seed: 20_260_812, numRuns: 300 };

function record(...entries: Omit<OsvAffected, "package">[]): OsvRecord {
  return {
    id: "TEST-1",
    affected: entries.map((entry) => ({ package: { ecosystem: "npm", name: "left" }, ...entry })),
  };
}

function ranged(events: readonly OsvEvent[], type = "SEMVER"): OsvRecord {
  return record({ ranges: [{ type, events }] });
}

function kindOf(of: OsvRecord, version: string): string {
  return affectedBy(of, { ecosystem: "npm", name: "left", version })?.kind ?? "no";
}

Deno.test("affectedBy() evaluates ranges as the specification does", () => {
  const table: readonly [readonly OsvEvent[], Record<string, string>][] = [
    [[{ introduced: "0" }], { "0.0.0-0": "affected", "999.0.0": "affected" }],
    [[{ introduced: "0" }, { fixed: "1.0.2" }], {
      "0.0.0-alpha": "affected",
      "1.0.1": "affected",
      "1.0.2-rc.1": "affected",
      "1.0.2": "no",
      "1.0.2+build": "no",
      "2.0.0": "no",
    }],
    [
      [{ introduced: "1.0.0" }, { fixed: "1.0.2" }, { introduced: "3.0.0" }, { fixed: "3.2.5" }],
      {
        "0.9.0": "no",
        "1.0.0-rc.1": "no",
        "1.0.1": "affected",
        "2.0.0": "no",
        "3.2.4": "affected",
        "3.2.5": "no",
      },
    ],
    [[{ introduced: "0" }, { last_affected: "2.1.4" }], {
      "2.1.4": "affected",
      "2.1.4+b": "affected",
      "2.1.5-0": "no",
    }],
    [[{ introduced: "1.0.0" }, { last_affected: "1.0.0" }], { "1.0.0": "affected", "1.0.1": "no" }],
    [[{ introduced: "1.0.0" }, { limit: "2.0.0" }], { "1.5.0": "affected", "2.0.0": "no" }],
    [[{ introduced: "1.0.0" }, { limit: "*" }], { "1.5.0": "affected", "2.0.0": "affected" }],
    [[{ introduced: "1.0.0" }, { limit: "2.0.0" }, { limit: "3.0.0" }], {
      "2.5.0": "affected",
      "3.0.0": "no",
    }],
    // Written in any order; `sorted(range.events)`.
    [[{ fixed: "2.0.0" }, { introduced: "1.0.0" }], { "1.5.0": "affected", "2.0.0": "no" }],
    // Short bounds.
    [[{ introduced: "1" }, { fixed: "1.2" }], {
      "1.1.9": "affected",
      "1.2.0": "no",
      "0.9.9": "no",
    }],
    // Closed and opened at one point; an empty range.
    [[{ introduced: "0" }, { fixed: "1.0.0" }, { introduced: "1.0.0" }, { fixed: "2.0.0" }], {
      "1.0.0": "affected",
    }],
    [[{ introduced: "1.0.0" }, { fixed: "1.0.0" }], { "1.0.0": "no", "2.0.0": "no" }],
    // Two fields in one event.
    [[{ introduced: "1.0.0", fixed: "2.0.0" }], { "1.5.0": "affected", "2.0.0": "no" }],
  ];
  for (const [events, expected] of table) {
    for (const type of ["SEMVER", "ECOSYSTEM"]) {
      for (const [version, kind] of Object.entries(expected)) {
        assertEquals(
          kindOf(ranged(events, type), version),
          kind,
          `${JSON.stringify(events)} ${version}`,
        );
      }
    }
  }
});

Deno.test("affectedBy() compares pre-releases by precedence, never by range rules", () => {
  // SemVer section 11, and identifiers that a number cannot hold.
  const order = [
    "0.9.9",
    "1.0.0-0",
    "1.0.0-1",
    "1.0.0-20210101123456788",
    "1.0.0-20210101123456789",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-0",
  ];
  for (const [at, bound] of order.entries()) {
    for (const [index, version] of order.entries()) {
      const about = `${version} against ${bound}`;
      assertEquals(
        kindOf(ranged([{ introduced: "0" }, { fixed: bound }]), version),
        index < at ? "affected" : "no",
        about,
      );
      assertEquals(
        kindOf(ranged([{ introduced: bound }]), version),
        index >= at ? "affected" : "no",
        about,
      );
      assertEquals(
        kindOf(ranged([{ introduced: "0" }, { last_affected: bound }]), version),
        index <= at ? "affected" : "no",
        about,
      );
    }
  }
});

Deno.test("affectedBy() matches ecosystem and name to the letter", () => {
  const of = (ecosystem: string, name: string): OsvRecord => ({
    id: "TEST-1",
    affected: [{ package: { ecosystem, name }, versions: ["1.0.0"] }],
  });
  const target = { ecosystem: "npm", name: "JSONStream", version: "1.0.0" };
  assertEquals(affectedBy(of("npm", "JSONStream"), target)?.kind, "affected");
  for (
    const [ecosystem, name] of [
      ["npm", "jsonstream"],
      ["NPM", "JSONStream"],
      ["PyPI", "JSONStream"],
      ["npm:https://example.com", "JSONStream"],
      ["Root:npm", "JSONStream"],
    ] as const
  ) {
    assertEquals(affectedBy(of(ecosystem, name), target), undefined, ecosystem);
  }
  const suffixed = { ecosystem: "Debian:12", name: "x", version: "1.0.0" };
  assertEquals(affectedBy(of("Debian:12", "x"), suffixed)?.kind, "affected");
  assertEquals(affectedBy(of("Debian", "x"), suffixed), undefined);
  assertEquals(affectedBy(of("Debian:11", "x"), suffixed), undefined);
});

Deno.test("affectedBy() matches listed versions and looks at every entry", () => {
  const of = record({ versions: ["1.0.0", "2.0.0-rc.1"] }, {
    ranges: [{ type: "SEMVER", events: [{ introduced: "5.0.0" }, { fixed: "6.0.0" }] }],
    versions: ["9.0.0"],
  });
  const expected = {
    "1.0.0": "affected",
    "2.0.0-rc.1": "affected",
    "5.5.0": "affected",
    "9.0.0": "affected",
    "1.0.1": "no",
    "1.0.0-0": "no",
    "2.0.0": "no",
    "2.0.0-rc.2": "no",
    "6.0.0": "no",
  };
  for (const [version, kind] of Object.entries(expected)) {
    assertEquals(kindOf(of, version), kind, version);
  }
});

Deno.test("affectedBy() matches listed versions of equal precedence, however a lockfile writes them", () => {
  // As texts they differ: that would hide a malicious package that lists its versions.
  const of = record({ versions: ["1.0.0", "2.0.0-rc.1", "v3.0.0+build", "odd", "4.0"] });
  const expected = {
    "v1.0.0": "affected",
    "=1.0.0": "affected",
    "01.0.0": "affected",
    "1.0.0+x": "affected",
    "2.0.0-rc.01": "affected",
    "2.0.0-rc.1+x": "affected",
    "3.0.0": "affected",
    "3.0.0-0": "no",
    "2.0.0-rc.10": "no",
    "10.0.0": "no",
    "odd": "affected",
    // No versions of npm, so nothing but the same text.
    "4.0": "affected",
    "4.0.0": "no",
  };
  for (const [version, kind] of Object.entries(expected)) {
    assertEquals(kindOf(of, version), kind, version);
  }
  const stamps = record({ versions: ["1.0.0-20210101123456789012"] });
  assertEquals(kindOf(stamps, "1.0.0-020210101123456789012"), "affected");
  assertEquals(kindOf(stamps, "1.0.0-20210101123456789013"), "no");
});

Deno.test("affectedBy() reads a long list of versions once", () => {
  const entry = {
    package: { ecosystem: "npm", name: "left" },
    versions: Array.from({ length: 10_000 }, (_, index) => `1.${index}.0`),
  };
  let reads = 0;
  const of = {
    id: "TEST-1",
    affected: [
      new Proxy(entry, {
        get(target, key) {
          if (key !== "versions") return Reflect.get(target, key);
          return new Proxy(target.versions, {
            get(list, at) {
              if (typeof at === "string" && /^\d+$/.test(at)) reads++;
              return Reflect.get(list, at);
            },
          });
        },
      }),
    ],
  };
  for (let index = 0; index < 200; index++) {
    assertEquals(kindOf(of, `v1.${index}.0`), "affected");
    assertEquals(kindOf(of, `1.${index}.1`), "no");
  }
  assertEquals(reads, 10_000);
});

Deno.test("affectedBy() says nothing about a withdrawn record", () => {
  const live = ranged([{ introduced: "0" }]);
  assertEquals(kindOf(live, "1.0.0"), "affected");
  assertEquals(kindOf({ ...live, withdrawn: "2024-07-01T03:32:00Z" }, "1.0.0"), "no");
});

Deno.test("affectedBy() is undecidable, not silent, about what cannot be compared", () => {
  const git: OsvRange = { type: "GIT", events: [{ introduced: "0" }, { fixed: "a".repeat(40) }] };
  const table: readonly [OsvRecord, string, string][] = [
    [ranged([{ introduced: "0" }, { fixed: "next" }]), "1.0.0", '"next"'],
    [ranged([{ introduced: "1.2.3.4" }]), "1.0.0", '"1.2.3.4"'],
    [ranged([{ introduced: "0" }, { limit: "soon" }]), "1.0.0", '"soon"'],
    [ranged([{ introduced: "0" }, { fixed: "2.0.0" }]), "18", '"18"'],
    [ranged([{ introduced: "0" }, { fixed: "2.0.0" }]), "latest", '"latest"'],
    [ranged([{ introduced: "0" }, { fixed: "2.0.0" }]), "", "unknown"],
    [ranged([{ fixed: "2.0.0" }]), "1.0.0", "without a start"],
    [ranged([]), "1.0.0", "without a start"],
    [ranged([{ introduced: "0" }], "CALVER"), "1.0.0", '"CALVER"'],
    [record({ versions: ["18.0.0"] }), "18", '"18"'],
    // Doubt in one entry is not taken away by another that does not match.
    [record({}, { versions: ["18.0.0"] }), "18", '"18"'],
    [
      record({ ranges: [{ type: "CALVER", events: [] }] }, { versions: ["3.0.0"] }),
      "1.0.0",
      "CALVER",
    ],
  ];
  for (const [of, version, reason] of table) {
    const match = affectedBy(of, { ecosystem: "npm", name: "left", version });
    assertEquals(match?.kind, "undecidable", JSON.stringify(of));
    assertStringIncludes(match!.reason, reason);
  }
  // By the specification these name no version, so they affect none.
  for (
    const [of, reason] of [
      [record({ ranges: [git] }), "Git"],
      [record({}), "no version"],
      [record({ ranges: [git] }, { versions: ["3.0.0"] }), "Git"],
    ] as const
  ) {
    const match = affectedBy(of, { ecosystem: "npm", name: "left", version: "1.0.0" });
    assertEquals(match?.kind, "versionless", JSON.stringify(of));
    assertStringIncludes(match!.reason, reason);
  }
  // But what is certain all the same is certain.
  assertEquals(kindOf(ranged([{ introduced: "0" }]), "latest"), "affected");
  assertEquals(kindOf(record({ versions: ["odd"] }), "odd"), "affected");
  assertEquals(kindOf(record({ ranges: [git], versions: ["1.0.0"] }), "1.0.0"), "affected");
  assertEquals(kindOf(record({ ranges: [git], versions: ["1.0.0"] }), "1.0.1"), "no");
  assertEquals(kindOf(record({ ranges: [git] }, { versions: ["1.0.0"] }), "1.0.0"), "affected");
});

Deno.test("affectedBy() gives the fixes above the version that are fixes", () => {
  const semver = (...events: OsvEvent[]) => ({ ranges: [{ type: "SEMVER", events }] });
  const of = record(
    semver({ introduced: "3.0.0" }, { fixed: "3.2.5" }, { introduced: "0" }, { fixed: "1.0.10" }),
    semver({ introduced: "0" }, { fixed: "1.0.9" }),
    semver({ introduced: "8.0.0" }, { fixed: "8.1.0" }),
  );
  const fixed = (version: string) =>
    affectedBy(of, { ecosystem: "npm", name: "left", version })?.fixed;
  // 1.0.9 is affected by the first entry; 8.1.0 belongs to an entry that does not match.
  assertEquals(fixed("1.0.0"), ["1.0.10", "3.2.5"]);
  assertEquals(fixed("3.1.0"), ["3.2.5"]);
  assertEquals(
    affectedBy(of, { ecosystem: "npm", name: "left", version: "1.0.0" })?.entries.length,
    2,
  );
  assertEquals(
    affectedBy(ranged([{ introduced: "0" }]), { ecosystem: "npm", name: "left", version: "1.0.0" })
      ?.fixed,
    [],
  );
});

Deno.test("affectedBy() gives the first ten fixes, and looks no further", () => {
  const opened = (index: number) => [{ introduced: `1.${index}.0` }, { fixed: `1.${index}.5` }];
  const of = ranged(Array.from({ length: 100 }, (_, index) => opened(index)).flat().reverse());
  const target = { ecosystem: "npm", name: "left", version: "1.3.1" };
  assertEquals(
    affectedBy(of, target)?.fixed,
    Array.from({ length: 10 }, (_, index) => `1.${index + 3}.5`),
  );
  // Fixes that another entry takes back are looked at, but not without end.
  const taken = (count: number) =>
    record(
      { ranges: [{ type: "SEMVER", events: [{ introduced: "1.3.0" }, { fixed: "1.3.5" }] }] },
      { ranges: [{ type: "SEMVER", events: [{ introduced: "1.3.0" }, { fixed: "2.0.0" }] }] },
      {
        ranges: Array.from({ length: count }, (_, index): OsvRange => ({
          type: "SEMVER",
          events: [{ introduced: "0" }, { fixed: `1.${index + 4}.0` }],
        })),
      },
    );
  assertEquals(affectedBy(taken(5), target)?.fixed, ["2.0.0"]);
  assertEquals(affectedBy(taken(50), target)?.fixed, []);
});

Deno.test("affectedBy() does not evaluate more than 10,000 events", () => {
  const flood = (count: number): OsvEvent[] =>
    Array.from(
      { length: count },
      (_, index) => ({ [index % 2 ? "fixed" : "introduced"]: `${index}.0.0` }),
    );
  // One range and one entry count as well.
  assertEquals(kindOf(ranged(flood(9_998)), "4.5.0"), "affected");
  const over = affectedBy(ranged(flood(9_999)), {
    ecosystem: "npm",
    name: "left",
    version: "4.5.0",
  });
  assertEquals(over?.kind, "undecidable");
  assertStringIncludes(over!.reason, "more than 10000");
  // Split into ranges or entries it is as much.
  const split = { ranges: [{ type: "SEMVER", events: flood(100) }] };
  assertEquals(kindOf(record(...Array(98).fill(split)), "4.5.0"), "affected");
  assertEquals(kindOf(record(...Array(99).fill(split)), "4.5.0"), "undecidable");
  assertEquals(
    kindOf(record(...Array(10_001).fill({ versions: ["1.0.0"] })), "2.0.0"),
    "undecidable",
  );
  // What it lists is still found.
  const both = record({ versions: ["4.5.0"] }, {
    ranges: [{ type: "SEMVER", events: flood(10_000) }],
  });
  assertEquals(kindOf(both, "4.5.0"), "affected");
  assertEquals(kindOf(both, "4.6.0"), "undecidable");
});

const version = fc.tuple(
  fc.nat(2),
  fc.nat(2),
  fc.nat(2),
  fc.option(
    fc.array(fc.constantFrom("0", "1", "2", "10", "alpha", "beta", "rc", "x-y"), {
      minLength: 1,
      maxLength: 3,
    }),
  ),
).map(([major, minor, patch, pre]) =>
  `${major}.${minor}.${patch}${pre ? `-${pre.join(".")}` : ""}`
);

/** Events as an author may write them: bounds that differ, opening and closing in turn. */
const events = fc.tuple(
  fc.uniqueArray(version, { minLength: 1, maxLength: 6, comparator: (a, b) => naive(a, b) === 0 }),
  fc.boolean(),
  fc.constantFrom("fixed" as const, "last_affected" as const),
  fc.option(version),
).map(([bounds, fromStart, closing, limit]): OsvEvent[] => {
  const list: OsvEvent[] = bounds.sort(naive).map((bound, index) =>
    index % 2 === (fromStart ? 1 : 0) ? { introduced: bound } : { [closing]: bound }
  );
  if (fromStart) list.unshift({ introduced: "0" });
  if (limit !== null) list.push({ limit });
  return list;
});

Deno.test("affectedBy() agrees with the pseudocode of the specification on generated ranges", () => {
  let affected = 0;
  fc.assert(
    fc.property(events, version, (list, at) => {
      const of = ranged(list);
      const expected = isVulnerable(of, "left", at);
      if (expected) affected++;
      assertEquals(kindOf(of, at), expected ? "affected" : "no");
    }),
    { ...SEED, numRuns: 2000 },
  );
  assert(affected > 300, `${affected} affected`);
});

Deno.test("affectedBy() does not depend on the order of events", () => {
  // Bounds may coincide here, which leaves the order of a sort open.
  const event = fc.tuple(
    fc.constantFrom("introduced" as const, "fixed" as const, "last_affected" as const),
    version,
  ).map(([kind, bound]): OsvEvent => ({ [kind]: bound }));
  const list = fc.array(event, { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      list.chain((all) =>
        fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))
      ),
      version,
      ([all, shuffled], at) => {
        assertEquals(kindOf(ranged(shuffled), at), kindOf(ranged(all), at));
      },
    ),
    { ...SEED, numRuns: 1000 },
  );
});

Deno.test("affectedBy() never throws and never passes over a record with odd bounds", () => {
  const odd = fc.oneof(
    version,
    fc.string({ maxLength: 8 }),
    fc.constantFrom("__proto__", "", "\u001b[2J", "9".repeat(300)),
  );
  fc.assert(
    fc.property(odd, odd, (bound, at) => {
      const kind = kindOf(ranged([{ introduced: "0" }, { fixed: bound }]), at);
      if (!/^\d/.test(bound.trim().replace(/^[v=\s]+/, ""))) assertNotEquals(kind, "no");
    }),
    SEED,
  );
});

const OSV = "../shared/cases/osv";

Deno.test("affectedBy() gives exactly the specification's hits on real records", async () => {
  if (!await Deno.stat(OSV).then(() => true, () => false)) {
    console.log(`skipped: ${OSV} is not there`);
    return;
  }
  const raw: OsvRecord[] = [];
  for (const folder of ["ghsa", "mal", "mal-withdrawn", "lwa"]) {
    for await (const { name } of Deno.readDir(`${OSV}/${folder}`)) {
      raw.push(JSON.parse(await Deno.readTextFile(`${OSV}/${folder}/${name}`)));
    }
  }
  assertEquals(raw.length, 192);
  // Every bound and listed version, and what lies beside it.
  const pairs = new Map<string, { ecosystem: string; name: string; version: string }>();
  const names = new Set(
    raw.flatMap(({ affected = [] }) => affected.map((entry) => entry.package!.name)),
  );
  for (const name of names) {
    const entries = raw.flatMap(({ affected = [] }) => affected).filter((entry) =>
      entry.package!.name === name
    );
    const bounds = entries.flatMap(({ ranges = [], versions = [] }) => [
      ...versions.slice(0, 20),
      ...ranges.flatMap(({ events }) =>
        events.flatMap((event) => Object.values(event) as string[])
      ),
    ]).filter((bound) => /^\d+\.\d+\.\d+/.test(bound));
    for (const bound of ["0.0.1", "1.0.0", "999.0.0", ...bounds]) {
      const [major, minor, patch] = keyOf(bound)[0] as [number, number, number];
      for (
        const at of [
          bound,
          `${major}.${minor}.${patch + 1}`,
          `${major}.${minor}.${Math.max(0, patch - 1)}`,
          `${major}.${minor}.${patch}-rc.1`,
          `${major}.${minor}.${patch}-0`,
        ]
      ) {
        pairs.set(`${name}@${at}`, { ecosystem: "npm", name, version: at });
      }
    }
  }
  const source = await openAdvisoryDb(OSV);
  const records = await source.lookup([...pairs.values()]);
  const hits: string[] = [];
  const expected: string[] = [];
  for (const [label, target] of pairs) {
    for (const of of records.get(`npm:${target.name}`) ?? []) {
      const match = affectedBy(of, target);
      assertNotEquals(match?.kind, "undecidable", `${label} ${of.id}`);
      if (match) hits.push(`${label} ${of.id}`);
    }
    for (const of of raw) {
      if (isVulnerable(of, target.name, target.version)) expected.push(`${label} ${of.id}`);
    }
  }
  assertEquals(hits.sort(), expected.sort());
  assert(hits.length > 500, `${hits.length} hits`);
  // The records that aliases would merge, and those that a withdrawal takes back.
  const ids = (name: string, at: string) =>
    hits.filter((hit) => hit.startsWith(`${name}@${at} `)).map((hit) => hit.split(" ")[1]);
  assertEquals(ids("lodash", "4.17.20").includes("GHSA-35jh-r3h4-6jhm"), true);
  assertEquals(ids("lodash", "4.17.21").includes("GHSA-35jh-r3h4-6jhm"), false);
  assertEquals(ids("react", "1.0.0"), []);
});
