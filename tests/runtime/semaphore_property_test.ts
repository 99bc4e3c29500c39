import { assert, assertEquals } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { KeyedSemaphore } from "../../src/runtime/keyed_semaphore.ts";
import { type AcquireOptions, type Permit, Semaphore } from "../../src/runtime/semaphore.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const SCHEDULES = 100_000;

/** A generator of its own, so that every run is the same. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await undefined;
}

/** What a schedule is played against. */
interface Subject {
  acquire(key: number, options: AcquireOptions): Promise<Permit>;
  tryAcquire(key: number): Permit | undefined;
  close(): void;
  stats(): { readonly inUse: number; readonly queued: number; readonly keys?: number };
}

/** One caller, as the schedule sees it. */
interface Caller {
  readonly key: number;
  readonly controller: AbortController;
  permit?: Permit;
  refused?: unknown;
  isDone?: boolean;
}

function isWaiting({ permit, refused, isDone }: Caller): boolean {
  return permit === undefined && refused === undefined && !isDone;
}

const KEYS = 3;
const reasons = new Set(["timeout", "queue-full", "closed"]);

/**
 * Plays one schedule. At each step no more permits are held than there are, and in the end, when all have been
 * given back, all are free.
 */
async function play(
  next: (below: number) => number,
  clock: VirtualClock,
  subject: Subject,
  limits: { readonly total: number; readonly ofKey: number },
): Promise<{ readonly served: number; readonly refused: number }> {
  const callers: Caller[] = [];
  const spent: Permit[] = [];
  let isClosed = false;
  const pick = (of: readonly Caller[]): Caller | undefined => of[next(of.length)];
  const steps = 4 + next(16);
  for (let step = 0; step < steps; step++) {
    const dice = next(100);
    if (dice < 45) {
      const caller: Caller = { key: next(KEYS), controller: new AbortController() };
      callers.push(caller);
      const { signal } = caller.controller;
      const timeoutMs = next(40);
      const ways: AcquireOptions[] = [{}, { signal }, { timeoutMs }, { signal, timeoutMs }];
      subject.acquire(caller.key, ways[next(4)]!).then(
        (permit) => caller.permit = permit,
        (reason) => caller.refused = reason,
      );
    } else if (dice < 50) {
      const key = next(KEYS);
      const permit = subject.tryAcquire(key);
      if (permit) callers.push({ key, controller: new AbortController(), permit });
    } else if (dice < 70) {
      const caller = pick(callers.filter(({ permit }) => permit !== undefined));
      if (caller?.permit === undefined) continue;
      caller.permit.release();
      spent.push(caller.permit);
      delete caller.permit;
      caller.isDone = true;
    } else if (dice < 80) {
      pick(callers)?.controller.abort();
    } else if (dice < 85) {
      // Harmless, whoever holds the permit by now.
      spent[next(spent.length)]?.release();
    } else if (dice < 94) {
      clock.advance(next(30));
    } else if (dice < 98) {
      await settle();
      if (subject.stats().inUse < limits.total) {
        // Nobody waits for what is free.
        for (const { key } of callers.filter(isWaiting)) {
          const held = callers.filter((caller) =>
            caller.key === key && caller.permit !== undefined
          );
          assertEquals(held.length, limits.ofKey);
        }
      }
    } else if (!isClosed && next(4) === 0) {
      isClosed = true;
      subject.close();
    }
    const held = callers.filter(({ permit }) => permit !== undefined);
    const { inUse, queued } = subject.stats();
    assert(held.length <= inUse && inUse <= limits.total && queued >= 0);
    for (let key = 0; key < KEYS; key++) {
      assert(held.filter((caller) => caller.key === key).length <= limits.ofKey);
    }
  }
  // Whoever waits is served once the others go.
  let served = 0;
  for (let round = 0; round <= steps; round++) {
    await settle();
    for (const caller of callers) {
      if (caller.permit !== undefined) served++;
      caller.permit?.release();
      delete caller.permit;
    }
  }
  await settle();
  const { inUse, queued, keys = 0 } = subject.stats();
  assertEquals([inUse, queued, keys, clock.timers], [0, 0, 0, 0]);
  let refused = 0;
  for (const { refused: reason } of callers) {
    if (reason === undefined) continue;
    refused++;
    assert(
      reason instanceof SecurityError && reasons.has(reason.code) ||
        reason instanceof DOMException && reason.name === "AbortError",
      String(reason),
    );
  }
  return { served, refused };
}

Deno.test(`Semaphore loses no permit in ${SCHEDULES} random schedules`, async () => {
  const next = random(1);
  const clock = new VirtualClock();
  let served = 0;
  let refused = 0;
  for (let run = 0; run < SCHEDULES; run++) {
    const permits = 1 + next(3);
    const semaphore = new Semaphore({ permits, maxQueue: next(6), clock });
    const played = await play(next, clock, {
      acquire: (_key, options) => semaphore.acquire(options),
      tryAcquire: () => semaphore.tryAcquire(),
      close: () => semaphore.close(),
      stats: () => semaphore.stats,
    }, { total: permits, ofKey: permits });
    served += played.served;
    refused += played.refused;
  }
  assert(served > SCHEDULES && refused > SCHEDULES, `${served} served, ${refused} refused`);
});

Deno.test(`KeyedSemaphore loses no permit in ${SCHEDULES} random schedules`, async () => {
  const next = random(2);
  const clock = new VirtualClock();
  let served = 0;
  let refused = 0;
  for (let run = 0; run < SCHEDULES; run++) {
    const total = 1 + next(4);
    const ofKey = 1 + next(2);
    const semaphore = new KeyedSemaphore({
      permitsPerKey: ofKey,
      totalPermits: total,
      maxQueuePerKey: next(4),
      maxQueue: next(8),
      maxKeys: 1 + next(KEYS),
      clock,
    });
    const played = await play(next, clock, {
      acquire: (key, options) => semaphore.acquire(`key ${key}`, options),
      tryAcquire: (key) => semaphore.tryAcquire(`key ${key}`),
      close: () => semaphore.close(),
      stats: () => semaphore.stats,
    }, { total, ofKey });
    served += played.served;
    refused += played.refused;
  }
  assert(served > SCHEDULES && refused > SCHEDULES, `${served} served, ${refused} refused`);
});
