/**
 * The attacker: exchanges both pairs of a tree in a tight loop until its input ends, and says how often.
 *
 * Arguments: the root, the directory outside, and {@linkcode RaceWay}. Exchanging is one system call, which
 * leaves no gap, through FFI; where it cannot be had, three renames do.
 */
import { build, clear, isWhole, type Pair, PAIRS } from "./_race_tree.ts";
import type { RaceWay } from "./race.ts";

const [root = "", outside = "", way = ""] = Deno.args;
const tree = { root, outside };

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Changes the places of two names; whether it worked. */
type Exchange = (pair: Pair) => boolean;

function byExchange(): Exchange {
  const { symbols } = Deno.dlopen("libc.so.6", {
    renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
  });
  const paths = new Map(PAIRS.map((pair) => [pair, pair.names.map(pathBytes)]));
  return (pair) => {
    const [a, b] = paths.get(pair)!;
    return symbols.renameat2(AT_FDCWD, a!, AT_FDCWD, b!, RENAME_EXCHANGE) === 0;
  };
}

function pathBytes(name: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${root}/${name}\0`);
}

const byRename: Exchange = ({ names }) => {
  const [a, b] = names.map((name) => `${root}/${name}`) as [string, string];
  const between = `${root}/between`;
  try {
    Deno.renameSync(a, between);
    Deno.renameSync(b, a);
    Deno.renameSync(between, b);
    return true;
  } catch {
    clear(between);
    return false;
  }
};

/** Keeps the state for a random time up to `longestMs`. */
function pause(longestMs: number): void {
  const until = performance.now() + Math.random() * longestMs;
  while (performance.now() < until);
}

function repair(pair: Pair): void {
  try {
    build(tree, pair);
  } catch {
    // The victim put something there at the same moment; the next look sees it.
  }
}

/** The way that is asked for, if it works here. */
function choose(): { used: RaceWay; exchange: Exchange } {
  if (way !== "rename") {
    try {
      const exchange = byExchange();
      if (PAIRS.every(exchange)) return { used: "exchange", exchange };
    } catch {
      // Another C library than glibc.
    }
  }
  return { used: "rename", exchange: byRename };
}

for (const pair of PAIRS) build(tree, pair);
const { used, exchange } = choose();
if (!PAIRS.every(exchange)) throw new Error("Names cannot be exchanged here");
// Only now there is something to race against.
console.log("ready");

let stopped = false;
const stop = Deno.stdin.read(new Uint8Array(1)).then(() => stopped = true);

/** Some operations take one step, some many: none of them fits every rhythm, so there are several. */
const RHYTHMS_MS = [0, 0.02, 0, 0.1, 0, 0.4, 2];
const BATCH_MS = 5;
/** How often it is looked whether the victim has replaced or removed something. */
const LOOK_EVERY = 8;

let exchanges = 0;
let ms = 0;
for (let batch = 0; !stopped; batch++) {
  const longestMs = RHYTHMS_MS[batch % RHYTHMS_MS.length]!;
  const start = performance.now();
  for (let at = 0; performance.now() - start < BATCH_MS; at++) {
    for (const pair of PAIRS) {
      const worked = exchange(pair);
      if (worked) exchanges++;
      if (!worked || (at % LOOK_EVERY === 0 && !isWhole(tree, pair))) repair(pair);
    }
    if (longestMs > 0) pause(longestMs);
  }
  ms += performance.now() - start;
  // Lets the end of the input be seen.
  await new Promise((resolve) => setTimeout(resolve, 0));
}
await stop;
console.log(JSON.stringify({ way: used, exchanges, ms }));
