/**
 * The runtime guards against what is commonly used in their place, all in turns within one process.
 *
 * Run with `deno task bench bench/runtime_bench.ts`.
 */
import { Sema } from "async-sema";
import { timeout, TimeoutStrategy } from "cockatiel";
import pLimit from "p-limit";
import { KeyedSemaphore } from "../src/runtime/keyed_semaphore.ts";
import { Semaphore } from "../src/runtime/semaphore.ts";
import { withDeadline } from "../src/runtime/with_deadline.ts";
import { benchOnce, type Contender, formatTurns, takeTurns, type Turn } from "./_turns.ts";

/** Calls in one step of a contender: one alone would be lost in what it takes to wait for a step. */
const CALLS = 1000;

/** Measures a call by a thousand of them, one after the other. */
function loop(name: string, call: () => Promise<unknown>): Contender {
  return {
    name,
    async run() {
      for (let at = 0; at < CALLS; at++) await call();
    },
  };
}

/** Measures a call by a thousand of them at once. */
function burst(name: string, call: () => Promise<unknown>): Contender {
  return {
    name,
    async run() {
      await Promise.all(Array.from({ length: CALLS }, call));
    },
  };
}

async function table(title: string, contenders: readonly Contender[]): Promise<string> {
  const turns: Turn[] = await takeTurns(contenders, { rounds: 31, calls: 5 });
  return formatTurns(title, turns.map((turn) => ({ ...turn, micros: turn.micros / CALLS })));
}

const done = Promise.resolve(1);
const resolved = () => done;
const asynchronous = async () => {
  await done;
};

benchOnce("semaphores that are free (table below)", async () => {
  const limit = pLimit(8);
  const semaphore = new Semaphore({ permits: 8 });
  const sema = new Sema(8);
  const keyed = new KeyedSemaphore({ permitsPerKey: 8, totalPermits: 64 });
  return await table("a permit, free", [
    loop("p-limit, limit(fn)", () => limit(resolved)),
    {
      name: "Semaphore, acquire and release",
      async run() {
        for (let at = 0; at < CALLS; at++) (await semaphore.acquire()).release();
      },
    },
    {
      name: "Semaphore, tryAcquire and release",
      run() {
        for (let at = 0; at < CALLS; at++) semaphore.tryAcquire()?.release();
      },
    },
    loop("Semaphore, run(fn)", () => semaphore.run(resolved)),
    {
      name: "KeyedSemaphore, acquire and release",
      async run() {
        for (let at = 0; at < CALLS; at++) (await keyed.acquire("alice")).release();
      },
    },
    {
      name: "async-sema, acquire and release",
      async run() {
        for (let at = 0; at < CALLS; at++) {
          await sema.acquire();
          sema.release();
        }
      },
    },
  ]);
});

benchOnce("semaphores with 1000 at 8 permits (table below)", async () => {
  const limit = pLimit(8);
  const semaphore = new Semaphore({ permits: 8 });
  const sema = new Sema(8, { capacity: CALLS });
  const { signal } = new AbortController();
  return await table("a permit, 1000 at once for 8", [
    burst("p-limit, limit(fn)", () => limit(asynchronous)),
    burst("Semaphore, run(fn)", () => semaphore.run(asynchronous)),
    burst(
      "Semaphore, run(fn, { signal, timeoutMs })",
      () => semaphore.run(asynchronous, { signal, timeoutMs: 1000 }),
    ),
    burst("async-sema, acquire and release", async () => {
      await sema.acquire();
      await asynchronous();
      sema.release();
    }),
  ]);
});

/** What is usually written: a timer of its own, which nobody takes back. */
function raced(fn: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> {
  const signal = AbortSignal.timeout(20);
  return Promise.race([
    fn(signal),
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  ]);
}

/** The same, cleaned up. */
async function timed(fn: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([
      fn(controller.signal),
      new Promise((_, reject) => timer = setTimeout(reject, 1000)),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

benchOnce("deadlines (tables below)", async () => {
  const aggressive = timeout(1000, TimeoutStrategy.Aggressive);
  const { signal } = new AbortController();
  const contenders = (fn: () => Promise<unknown>): Contender[] => [
    loop("bare call", fn),
    loop("withDeadline", () => withDeadline(fn, { timeoutMs: 1000 })),
    loop("withDeadline, with a signal", () => withDeadline(fn, { timeoutMs: 1000, signal })),
    loop("setTimeout, race, clearTimeout", () => timed(fn)),
    loop("AbortSignal.timeout, race", () => raced(fn)),
    loop("cockatiel timeout", () => aggressive.execute(fn)),
  ];
  const atOnce = [
    burst("bare call", asynchronous),
    burst("withDeadline", () => withDeadline(asynchronous, { timeoutMs: 1000 })),
    burst("setTimeout, race, clearTimeout", () => timed(asynchronous)),
    burst("cockatiel timeout", () => aggressive.execute(asynchronous)),
  ];
  return [
    await table("a resolved promise", contenders(resolved)),
    await table("an async function that waits once", contenders(asynchronous)),
    await table("1000 of them at once", atOnce),
  ].join("\n\n");
});

benchOnce("what is known of a signal (table below)", async () => {
  class Given {
    constructor(object: object) {
      return object;
    }
  }
  class Marked extends Given {
    readonly #mark = {};

    static of(object: object): object | undefined {
      return #mark in object ? object.#mark : undefined;
    }
  }
  const known = new WeakMap<AbortSignal, object>();
  const repeat = (name: string, call: () => unknown): Contender => ({
    name,
    run() {
      for (let at = 0; at < CALLS; at++) call();
    },
  });
  return await table("a new signal, marked and read", [
    repeat("WeakMap", () => {
      const { signal } = new AbortController();
      known.set(signal, {});
      return known.get(signal);
    }),
    repeat("private field", () => {
      const { signal } = new AbortController();
      new Marked(signal);
      return Marked.of(signal);
    }),
  ]);
});
