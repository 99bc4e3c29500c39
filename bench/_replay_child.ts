/**
 * Measures memory and pauses of one replay store, or the time of all in turns, and prints JSON.
 *
 * One store a process, started by bench/dpop_replay_bench.ts, so that its memory is nobody else's.
 * Arguments: `memory` and the name of a store, or `time`.
 */
import { MemoryReplayStore } from "../src/dpop/memory_replay_store.ts";

/** What one store took, everything included. */
export interface Footprint {
  readonly name: string;
  /** Growth of the process's resident memory by 1,000,000 living entries, in bytes an entry. */
  readonly bytes: number;
  /** The longest of 3,000,000 additions, in milliseconds. */
  readonly longestMs: number;
  /** How many took more than 5 ms. */
  readonly over5Ms: number;
  /** The longest of as many turns of {@linkcode spin} in between: what the machine makes anything wait. */
  readonly spinLongestMs: number;
  /** How many of these took more than 5 ms. */
  readonly spinOver5Ms: number;
}

/** The median time of an addition, in nanoseconds. */
export interface Timing {
  readonly name: string;
  readonly ns: number;
}

type Add = (
  key: string,
  expiresAtSeconds: number,
  nowSeconds: number,
  turn: number,
) => boolean | Promise<boolean>;

const LIVE = 1_000_000;
const ADDS = 3_000_000;
const START = 1_700_000_000;
const LIFETIME = 360;
/** Additions a second that keep just under a million alive. */
const RATE = LIVE / (LIFETIME + 2);
const BLOCK = 10_000;
const ROUNDS = 150;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Text of base64url that is distinct for each number. */
function textOf(number: number, characters: number): string {
  let text = "";
  let state = number;
  for (let at = 0; at < characters - 7; at++) {
    state = Math.imul(state, 0x9e3779b1) + 1;
    text += ALPHABET[state >>> 26];
  }
  for (let shift = 30; shift >= 0; shift -= 6) text += ALPHABET[number >>> shift & 63];
  return `${text}A`;
}

function keyOf(turn: number): string {
  return textOf(turn, 22);
}

/** Whose proofs they are; their quota is never reached. */
const thumbprints = Array.from({ length: 10_000 }, (_, at) => textOf(at, 43));

/** What every implementation of its own begins with: a Map, emptied of what expired once in a while. */
function sweptMap(): Add {
  const entries = new Map<string, number>();
  let swept = START;
  return (key, expires, now) => {
    if (now - swept > 60) {
      swept = now;
      for (const [held, until] of entries) if (until < now) entries.delete(held);
    }
    if (entries.has(key)) return false;
    entries.set(key, expires);
    return true;
  };
}

/**
 * A Map beside a ring of its keys, as an LRU cache is made: bounded, and it forgets proofs that are alive as
 * soon as there are more. Without the ring, looking for the oldest key walks over all that were deleted.
 */
function evictingMap(): Add {
  const entries = new Map<string, number>();
  const ring: string[] = new Array(LIVE).fill("");
  let oldest = 0;
  return (key, expires) => {
    if (entries.has(key)) return false;
    if (entries.size === LIVE) entries.delete(ring[oldest] ?? "");
    entries.set(key, expires);
    ring[oldest] = key;
    oldest = oldest + 1 === LIVE ? 0 : oldest + 1;
    return true;
  };
}

/** As much work as an addition, and nothing that could wait. */
function spin(key: string): boolean {
  let state = key.charCodeAt(0);
  for (let at = 0; at < 1000; at++) state = Math.imul(state ^ at, 0x9e3779b1) + 1;
  return state !== 0.5;
}

function memoryStore(): Add {
  const store = new MemoryReplayStore({ capacity: LIVE });
  return (key, expires, nowSeconds) => store.add(key, expires, { nowSeconds });
}

function memoryStoreWithQuota(): Add {
  const store = new MemoryReplayStore({ capacity: LIVE });
  return (key, expires, nowSeconds, turn) => {
    const jkt = thumbprints[turn % thumbprints.length] ?? "";
    return store.add(key, expires, { nowSeconds, jkt });
  };
}

const stores: Readonly<Record<string, () => Add>> = {
  "MemoryReplayStore": memoryStore,
  "MemoryReplayStore, per-key quota": memoryStoreWithQuota,
  "Map, swept every minute": sweptMap,
  "LRU cache, evicts the living": evictingMap,
};

/** Every store is awaited, as a verifier does. */
async function addTurn(add: Add, key: string, turn: number): Promise<void> {
  const now = START + turn / RATE;
  if (!await add(key, Math.floor(now) + LIFETIME, now, turn)) {
    throw new Error(`turn ${turn} was refused`);
  }
}

function residentBytes(): number {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect !== "function") throw new Error("--expose-gc is missing");
  collect();
  collect();
  return Deno.memoryUsage().rss;
}

async function footprintOf(name: string): Promise<Footprint> {
  const open = stores[name];
  if (open === undefined) throw new Error(`no store ${name}`);
  // What the engine and the making of keys take belongs to nobody.
  const warm = open();
  for (let turn = 0; turn < BLOCK * 10; turn++) await addTurn(warm, keyOf(turn), turn);
  for (let turn = 0; turn < LIVE; turn++) keyOf(turn);
  const before = residentBytes();
  const add = open();
  let longestMs = 0;
  let over5Ms = 0;
  let spinLongestMs = 0;
  let spinOver5Ms = 0;
  let grown = 0;
  for (let turn = 0; turn < ADDS; turn++) {
    if (turn === LIVE) grown = residentBytes() - before;
    const key = keyOf(turn);
    const start = performance.now();
    await addTurn(add, key, turn);
    const elapsed = performance.now() - start;
    if (elapsed > longestMs) longestMs = elapsed;
    if (elapsed > 5) over5Ms++;
    const from = performance.now();
    if (!spin(key)) throw new Error("nothing was computed");
    const spun = performance.now() - from;
    if (spun > spinLongestMs) spinLongestMs = spun;
    if (spun > 5) spinOver5Ms++;
  }
  return { name, bytes: grown / LIVE, longestMs, over5Ms, spinLongestMs, spinOver5Ms };
}

/** All in turns in one process, with as many alive as they will be for most of their lives. */
async function timings(): Promise<Timing[]> {
  const contenders = Object.entries(stores).map(([name, open]) => ({
    name,
    add: open(),
    samples: [] as number[],
  }));
  for (let round = 0; round < ROUNDS; round++) {
    const from = round * BLOCK;
    const keys = Array.from({ length: BLOCK }, (_, at) => keyOf(from + at));
    for (let at = 0; at < contenders.length; at++) {
      const contender = contenders[(at + round) % contenders.length];
      if (contender === undefined) continue;
      const start = performance.now();
      for (let turn = 0; turn < BLOCK; turn++) {
        await addTurn(contender.add, keys[turn] ?? "", from + turn);
      }
      const elapsed = performance.now() - start;
      // The first million fills them.
      if (from >= LIVE) contender.samples.push(elapsed / BLOCK * 1e6);
    }
  }
  return contenders.map(({ name, samples }) => ({
    name,
    ns: samples.sort((a, b) => a - b)[samples.length >> 1] ?? NaN,
  }));
}

/** Names of the stores. */
export const storeNames: readonly string[] = Object.keys(stores);

if (import.meta.main) {
  const [what, name = ""] = Deno.args;
  console.log(JSON.stringify(what === "time" ? await timings() : await footprintOf(name)));
}
