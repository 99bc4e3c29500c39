/**
 * The attacker: exchanges both pairs of a tree in a tight loop until its input ends, and says how often.
 *
 * Arguments: the root, the directory outside, and `exchange` for one system call that leaves no gap
 * (renameat2 through FFI), or `rename` for three renames, where there is no such call.
 */
import { build, isWhole, type Pair, PAIRS } from "./_race_tree.ts";

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
    return false;
  }
};

const exchange = way === "exchange" ? byExchange() : byRename;

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

for (const pair of PAIRS) {
  build(tree, pair);
  if (!exchange(pair)) throw new Error(`Cannot exchange ${pair.names} by ${way}`);
}
// Only now there is something to race against.
console.log("ready");

let stopped = false;
const stop = Deno.stdin.read(new Uint8Array(1)).then(() => stopped = true);

/** Some operations take one step, some many: none of them fits every rhythm, so there are several. */
const RHYTHMS_MS = [0, 0.02, 0, 0.1, 0, 0.4, 2];
const BATCH_MS = 20;
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
console.log(JSON.stringify({ exchanges, ms }));
