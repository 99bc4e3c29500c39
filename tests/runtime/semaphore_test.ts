import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Sema } from "async-sema";
import pLimit from "p-limit";
import { SecurityError } from "../../src/errors.ts";
import { KeyedSemaphore } from "../../src/runtime/keyed_semaphore.ts";
import { type AcquireOptions, type Permit, Semaphore } from "../../src/runtime/semaphore.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

/** What both kinds of semaphore have in common, for one key. */
interface Subject {
  acquire(options?: AcquireOptions): Promise<Permit>;
  tryAcquire(): Permit | undefined;
  run<T>(fn: () => T | PromiseLike<T>, options?: AcquireOptions): Promise<T>;
  close(reason?: unknown): void;
  readonly stats: { readonly inUse: number; readonly queued: number };
}

interface SubjectOptions {
  readonly permits: number;
  readonly maxQueue?: number;
  readonly clock?: VirtualClock;
}

function keyed(semaphore: KeyedSemaphore): Subject {
  return {
    acquire: (options) => semaphore.acquire("alice", options),
    tryAcquire: () => semaphore.tryAcquire("alice"),
    run: (fn, options) => semaphore.run("alice", fn, options),
    close: (reason) => semaphore.close(reason),
    get stats() {
      return semaphore.stats;
    },
  };
}

const kinds: Readonly<Record<string, (options: SubjectOptions) => Subject>> = {
  Semaphore: (options) => new Semaphore(options),
  "KeyedSemaphore, by its limit of a key": ({ permits, maxQueue = 1000, ...rest }) =>
    keyed(new KeyedSemaphore({ permitsPerKey: permits, maxQueuePerKey: maxQueue, ...rest })),
  "KeyedSemaphore, by its limit of all": ({ permits, ...rest }) =>
    keyed(
      new KeyedSemaphore({
        permitsPerKey: 100,
        totalPermits: permits,
        maxQueuePerKey: 1000,
        ...rest,
      }),
    ),
};

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => promise);
  assertInstanceOf(error, SecurityError);
  return error.code;
}

/** Whether a promise has settled within this turn. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  await settle();
  return settled;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}

/** A signal that counts its listeners. */
function countedSignal(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  return { controller, listeners: () => listeners };
}

for (const [kind, make] of Object.entries(kinds)) {
  Deno.test(`${kind}: acquire() lets so many in, and the others in the order in which they came`, async () => {
    const semaphore = make({ permits: 2 });
    const first = await semaphore.acquire();
    const second = await semaphore.acquire();
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (at) => {
      using _permit = await semaphore.acquire();
      order.push(at);
    });
    await settle();
    assertEquals(semaphore.stats.inUse, 2);
    assertEquals(semaphore.stats.queued, 3);
    first.release();
    await Promise.all(waiting);
    assertEquals(order, [1, 2, 3]);
    second.release();
    assertEquals([semaphore.stats.inUse, semaphore.stats.queued], [0, 0]);
  });

  Deno.test(`${kind}: tryAcquire() takes what is free, and overtakes nobody`, async () => {
    const semaphore = make({ permits: 1 });
    const held = semaphore.tryAcquire();
    assert(held);
    assertEquals(semaphore.tryAcquire(), undefined);
    const waiting = semaphore.acquire();
    held.release();
    assertEquals(semaphore.tryAcquire(), undefined);
    (await waiting).release();
    semaphore.tryAcquire()!.release();
  });

  Deno.test(`${kind}: an abort ends the wait with the reason of the signal, and loses no permit`, async () => {
    const semaphore = make({ permits: 1 });
    const held = await semaphore.acquire();
    const { controller, listeners } = countedSignal();
    const waiting = semaphore.acquire({ signal: controller.signal, timeoutMs: 60_000 });
    const next = semaphore.acquire();
    const reason = new Error("gone");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => waiting), reason);
    assertEquals([semaphore.stats.inUse, semaphore.stats.queued, listeners()], [1, 1, 0]);
    held.release();
    (await next).release();
    assertEquals(semaphore.stats.inUse, 0);
    const late = semaphore.acquire({ signal: controller.signal });
    assertStrictEquals(await assertRejects(() => late), reason);
    assertEquals(semaphore.stats.inUse, 0);
  });

  for (const isReleasedFirst of [true, false]) {
    const order = isReleasedFirst ? "release and abort" : "abort and release";
    Deno.test(`${kind}: ${order} in one turn lose no permit`, async () => {
      const semaphore = make({ permits: 1 });
      const held = await semaphore.acquire();
      const controller = new AbortController();
      const waiting = semaphore.acquire({ signal: controller.signal });
      if (isReleasedFirst) held.release();
      controller.abort();
      if (!isReleasedFirst) held.release();
      const outcome = await waiting.catch(() => undefined);
      assertEquals(outcome !== undefined, isReleasedFirst);
      assertEquals(semaphore.stats.inUse, isReleasedFirst ? 1 : 0);
      outcome?.release();
      semaphore.tryAcquire()!.release();
    });
  }

  Deno.test(`${kind}: acquire() gives up after its time, by no clock that jumps`, async () => {
    const clock = new VirtualClock();
    const semaphore = make({ permits: 1, clock });
    const held = await semaphore.acquire({ timeoutMs: 0 });
    assertEquals(await codeOf(semaphore.acquire({ timeoutMs: 0 })), "timeout");
    const waiting = semaphore.acquire({ timeoutMs: 100 });
    clock.setWall(clock.wallMs() + 1e9);
    assertEquals(await hasSettled(waiting), false);
    clock.advance(99);
    assertEquals(await hasSettled(waiting), false);
    clock.advance(11);
    assertEquals(await codeOf(waiting), "timeout");
    assertEquals([semaphore.stats.queued, clock.timers], [0, 0]);

    const served = semaphore.acquire({ timeoutMs: 100 });
    await settle();
    held.release();
    (await served).release();
    assertEquals(clock.timers, 0);
  });

  Deno.test(`${kind}: a second release lets in nobody`, async () => {
    const semaphore = make({ permits: 1 });
    const held = await semaphore.acquire();
    held.release();
    held[Symbol.dispose]();
    held.release();
    assertEquals(semaphore.stats.inUse, 0);
    const other = await semaphore.acquire();
    held.release();
    assertEquals(semaphore.tryAcquire(), undefined);
    other.release();
  });

  Deno.test(`${kind}: acquire() refuses at once when the line is full`, async () => {
    const semaphore = make({ permits: 1, maxQueue: 2 });
    const held = await semaphore.acquire();
    const waiting = [semaphore.acquire(), semaphore.acquire()];
    const refused = semaphore.acquire();
    assertEquals(await hasSettled(refused), true);
    assertEquals(await codeOf(refused), "queue-full");
    assertEquals(semaphore.stats.queued, 2);
    held.release();
    for (const permit of waiting) (await permit).release();

    const impatient = make({ permits: 1, maxQueue: 0 });
    using _permit = await impatient.acquire();
    assertEquals(await codeOf(impatient.acquire()), "queue-full");
  });

  Deno.test(`${kind}: close() settles everybody who waits, and lets nobody in`, async () => {
    const clock = new VirtualClock();
    const semaphore = make({ permits: 1, clock });
    const held = await semaphore.acquire();
    const { controller, listeners } = countedSignal();
    const waiting = [1, 2, 3].map(() =>
      semaphore.acquire({ signal: controller.signal, timeoutMs: 1000 })
    );
    const reason = new Error("shutdown");
    await settle();
    assertEquals([listeners(), clock.timers], [1, 1]);
    semaphore.close(reason);
    semaphore.close();
    for (const promise of [...waiting, semaphore.acquire(), semaphore.run(() => 1)]) {
      const error = await assertRejects(() => promise, SecurityError);
      assertEquals([error.code, error.cause], ["closed", reason]);
    }
    assertEquals([listeners(), clock.timers, semaphore.stats.queued], [0, 0, 0]);
    assertEquals(semaphore.tryAcquire(), undefined);
    assertEquals(semaphore.stats.inUse, 1);
    held.release();
    held.release();
    assertEquals(semaphore.stats.inUse, 0);
  });

  Deno.test(`${kind}: run() gives the permit back, whatever its function does`, async () => {
    const semaphore = make({ permits: 1 });
    assertEquals(await semaphore.run(() => semaphore.stats.inUse), 1);
    assertEquals(await semaphore.run(() => Promise.resolve("later")), "later");
    await assertRejects(() => semaphore.run(() => Promise.reject(new Error("no"))), Error, "no");
    const thrown = semaphore.run(() => {
      throw new Error("at once");
    });
    await assertRejects(() => thrown, Error, "at once");
    assertEquals(semaphore.stats.inUse, 0);
  });

  Deno.test(`${kind}: refuses limits that are none`, async () => {
    for (const permits of [0, -1, 1.5, NaN, Infinity]) {
      assertThrows(() => make({ permits }), RangeError);
    }
    for (const maxQueue of [-1, NaN, Infinity]) {
      assertThrows(() => make({ permits: 1, maxQueue }), RangeError);
    }
    for (const permits of ["1", null]) {
      assertThrows(() => make({ permits: permits as unknown as number }), TypeError);
    }
    const semaphore = make({ permits: 1 });
    for (const timeoutMs of [-1, NaN, Infinity]) {
      await assertRejects(() => semaphore.acquire({ timeoutMs }), RangeError, "timeoutMs");
    }
    const timeoutMs = "5" as unknown as number;
    await assertRejects(() => semaphore.acquire({ timeoutMs }), TypeError, "timeoutMs");
    assertEquals(semaphore.stats.inUse, 0);
  });

  Deno.test(`${kind}: 10,000 waits on one signal cost it one listener`, async () => {
    const semaphore = make({ permits: 1, maxQueue: 500 });
    const { controller, listeners } = countedSignal();
    for (let round = 0; round < 20; round++) {
      const held = await semaphore.acquire();
      const waiting = Array.from(
        { length: 500 },
        () => semaphore.run(() => 1, { signal: controller.signal }),
      );
      assertEquals(listeners(), 1);
      held.release();
      await Promise.all(waiting);
      assertEquals(listeners(), 0);
    }
  });
}

Deno.test("Semaphore needs its number of permits", () => {
  const options = {} as unknown as { permits: number };
  assertThrows(() => new Semaphore(options), TypeError, "permits");
});

Deno.test("Semaphore and KeyedSemaphore are closed where their block ends", async () => {
  let semaphore: Semaphore;
  let keyedSemaphore: KeyedSemaphore;
  {
    using one = new Semaphore({ permits: 1 });
    using two = new KeyedSemaphore({ permitsPerKey: 1 });
    semaphore = one;
    keyedSemaphore = two;
  }
  assertEquals(await codeOf(semaphore.acquire()), "closed");
  assertEquals(await codeOf(keyedSemaphore.acquire("alice")), "closed");
});

Deno.test("control: async-sema lets in two after a double release, and knows no abort", async () => {
  const sema = new Sema(1);
  await sema.acquire();
  sema.release();
  sema.release();
  await sema.acquire();
  assertEquals(await hasSettled(sema.acquire()), true);

  const busy = new Sema(1);
  await busy.acquire();
  const acquire: (options?: unknown) => Promise<unknown> = busy.acquire.bind(busy);
  const waiting = acquire({ signal: AbortSignal.abort() });
  assertEquals(await hasSettled(waiting), false);
  assertEquals(busy.nrWaiting(), 1);
});

Deno.test("control: the queue of p-limit has no bound, and clearing it settles nobody", async () => {
  const limit = pLimit(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const running = limit(() => promise);
  const waiting = Array.from({ length: 10_000 }, () => limit(() => 1));
  assertEquals(limit.pendingCount, 10_000);
  limit.clearQueue();
  resolve();
  await running;
  assertEquals(limit.pendingCount, 0);
  assertEquals(await hasSettled(Promise.any(waiting)), false);
});
