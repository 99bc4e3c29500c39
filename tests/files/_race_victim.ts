/**
 * The victim: does every operation again and again on names that the attacker exchanges, and says what
 * came of it.
 *
 * Only a process with every permission may use fd-verified, and one with few shows what the others do with
 * few, so race.ts starts this one. Argument: {@linkcode VictimOptions} as JSON.
 */
import { SecurityError } from "../../src/errors.ts";
import { reasonOf } from "../../src/files/_errors.ts";
import { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import { openat2 } from "../../src/files/openat2.ts";
import { naive, type Raced } from "./_race_naive.ts";
import { GOT, NEVER_CAUGHT, OPERATIONS, type RacedOperation, titleOf } from "./_race_operations.ts";
import {
  isWhole,
  lookup,
  ONLY_OUTSIDE,
  Outside,
  PAIRS,
  type RaceTree,
  SECRET,
} from "./_race_tree.ts";
import type { RaceProtection, RaceRow } from "./race.ts";

/** What a victim is told. */
export interface VictimOptions {
  readonly tree: RaceTree;
  readonly protection: RaceProtection;
  /** Most attempts of each operation. */
  readonly attempts: number;
  /** Ends each operation at its first escape, and leaves out those without any. */
  readonly untilEscape: boolean;
}

/** A pair may look torn while it is exchanged, and stay so while the attacker sleeps. */
const MOST_LOOKS = 200;

const options: VictimOptions = JSON.parse(Deno.args[0] ?? "");
const { tree, protection } = options;
const outside = new Outside(tree);

async function openRaced(): Promise<{ files: Raced; close: () => Promise<void> }> {
  if (protection === "naive") return { files: naive(tree.root), close: () => Promise.resolve() };
  const files = await FileSecurityValidator.open({
    roots: [tree.root],
    protection,
    ...(protection === "kernel" ? { backend: openat2() } : {}),
  });
  if (files.protection !== protection) throw new Error(`Got ${files.protection}`);
  return { files, close: () => files.close() };
}

/** What of the outside is in what a client got. */
function leak(value: unknown): string | undefined {
  const text = value instanceof Uint8Array
    ? new TextDecoder().decode(value)
    : JSON.stringify(value) ?? "";
  const marks = [
    SECRET.slice(0, 16),
    ONLY_OUTSIDE,
    `"size":${SECRET.length}`,
    `"${tree.outside}`,
  ];
  return marks.find((mark) => text.includes(mark));
}

/** What came in from outside by a rename or a copy. */
function taken(): string | undefined {
  const path = `${tree.root}/${GOT}`;
  const info = lookup(path);
  if (info === undefined) return undefined;
  const isTaken = info.isFile && info.size === SECRET.length;
  Deno.removeSync(path, { recursive: true });
  return isTaken ? "a file from outside" : undefined;
}

/** Gives the attacker time to repair what the last attempt left. */
function waitForAttacker(): void {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    if (PAIRS.every((pair) => isWhole(tree, pair))) return;
  }
}

/** How an attempt ended, by its code; anything but a refusal of the layer is a fault. */
function codeOf(error: unknown): string {
  if (error instanceof SecurityError) {
    return error.code === "io-error" ? `io-error: ${reasonOf(error)}` : error.code;
  }
  return String(error);
}

async function race(files: Raced, operation: RacedOperation): Promise<RaceRow> {
  const { name, where, prepare, attempt } = operation;
  const codes: Record<string, number> = {};
  const examples = new Set<string>();
  let attempts = 0;
  let done = 0;
  let escapes = 0;
  // What takes many steps works only while the attacker sleeps, which has to be seen at least once.
  const goesOn = (): boolean =>
    options.untilEscape
      ? attempts < options.attempts && escapes === 0
      : attempts < options.attempts || (done === 0 && attempts < 20 * options.attempts);
  while (goesOn()) {
    attempts++;
    let shown: string | undefined;
    try {
      await prepare?.(files);
    } catch (error) {
      // The attacker was faster; so it is possible already, or else the attempt says so.
      if (!(error instanceof SecurityError)) throw error;
    }
    try {
      shown = leak(await attempt(files));
      done++;
    } catch (error) {
      const code = codeOf(error);
      codes[code] = (codes[code] ?? 0) + 1;
      // What was removed or replaced comes back in a moment.
      if (code === "not-found") waitForAttacker();
    }
    const found = [shown, taken(), outside.change()].filter((what) => what !== undefined);
    if (found.length === 0) continue;
    escapes++;
    for (const what of found) examples.add(what);
    outside.build();
  }
  return { name, where, attempts, done, escapes, codes, examples: [...examples] };
}

outside.build();
const { files, close } = await openRaced();
const rows: RaceRow[] = [];
for (const operation of OPERATIONS) {
  if (options.untilEscape && NEVER_CAUGHT.has(titleOf(operation))) continue;
  rows.push(await race(files, operation));
}
await close();
console.log(JSON.stringify(rows));
