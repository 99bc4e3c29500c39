import {
  assert,
  assertEquals,
  assertFalse,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { fromFileUrl } from "@std/path/from-file-url";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { Semaphore } from "../../src/runtime/semaphore.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import {
  type DeadlineOptions,
  type OrphanedWork,
  orphans,
  remainingMs,
  withDeadline,
} from "../../src/runtime/with_deadline.ts";

const DAY_MS = 86_400_000;

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}

/** Moves the clock once everything that is on its way has arrived. */
async function advance(clock: VirtualClock, byMs: number): Promise<void> {
  await settle();
  clock.advance(byMs);
  await settle();
}

/** Work that ends when the test says so, and does not listen to its signal. */
function deaf(): {
  readonly fn: (signal: AbortSignal) => Promise<string>;
  readonly end: (value: string) => void;
  readonly fail: (error: unknown) => void;
  signal(): AbortSignal;
} {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let given: AbortSignal | undefined;
  return {
    fn(signal) {
      given = signal;
      return promise;
    },
    end: resolve,
    fail: reject,
    signal: () => given!,
  };
}

/** Work that ends with the reason of its signal. */
function listening(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

function outcomeOf(promise: Promise<unknown>): { state: string; reason?: unknown } {
  const outcome: { state: string; reason?: unknown } = { state: "pending" };
  promise.then(
    (value) => outcome.state = `value ${value}`,
    (reason) => {
      outcome.state = reason instanceof SecurityError ? reason.code : "rejected";
      outcome.reason = reason;
    },
  );
  return outcome;
}

Deno.test("withDeadline() returns what its function does, whatever kind of value that is", async () => {
  const thenable = { then: (resolve: (value: number) => void) => resolve(4) } as Promise<number>;
  const cases: [string, () => unknown, unknown][] = [
    ["a value", () => 1, 1],
    ["undefined", () => undefined, undefined],
    ["null", () => null, null],
    ["a promise", () => Promise.resolve(2), 2],
    ["a later promise", () => new Promise((resolve) => setTimeout(() => resolve(3))), 3],
    ["a thenable", () => thenable, 4],
    ["a function", () => settle, settle],
  ];
  const clock = new VirtualClock();
  for (const [name, fn, value] of cases) {
    assertStrictEquals(await withDeadline(fn, { timeoutMs: 1000, clock }), value, name);
    assertEquals([clock.timers, orphans()], [0, 0], name);
  }
});

Deno.test("withDeadline() rejects with what its function throws, at once or later", async () => {
  const error = new Error("no");
  const cases: Record<string, () => unknown> = {
    "throws": () => {
      throw error;
    },
    "rejects": () => Promise.reject(error),
    "rejects later": () => new Promise((_, reject) => setTimeout(() => reject(error))),
    "has a getter that throws": () => ({
      get then() {
        throw error;
      },
    }),
  };
  for (const [name, fn] of Object.entries(cases)) {
    const caught = await assertRejects(() => withDeadline(fn, { timeoutMs: 1000 }));
    assertStrictEquals(caught, error, name);
  }
  assertEquals(orphans(), 0);
});

Deno.test("withDeadline() answers at the deadline, and aborts the signal with the same error", async () => {
  const clock = new VirtualClock();
  const work = deaf();
  const call = withDeadline(work.fn, { timeoutMs: 500, clock, operation: "file.read" });
  const outcome = outcomeOf(call);
  await advance(clock, 499);
  assertEquals(outcome.state, "pending");
  assertFalse(work.signal().aborted);
  await advance(clock, 11);
  assertInstanceOf(outcome.reason, SecurityError);
  assertEquals([outcome.reason.code, outcome.reason.details], ["timeout", {
    timeoutMs: 500,
    operation: "file.read",
  }]);
  assertStrictEquals(work.signal().reason, outcome.reason);
  assertEquals(orphans(), 1);
  work.end("too late");
  await settle();
  assertEquals([orphans(), clock.timers], [0, 0]);
});

Deno.test("withDeadline() rejects at once when its signal is aborted, and tells its function", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const reason = new Error("the client has gone");
  const call = withDeadline(listening, { timeoutMs: 500, clock, signal: controller.signal });
  await settle();
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => call), reason);
  await settle();
  assertEquals([orphans(), clock.timers], [0, 0]);
});

Deno.test("withDeadline() calls nothing when it is over before it begins", async () => {
  let calls = 0;
  let released = 0;
  const permit = { release: () => released++ };
  const fn = () => calls++;
  const reason = new Error("gone");
  const signal = AbortSignal.abort(reason);
  const caught = await assertRejects(() => withDeadline(fn, { timeoutMs: 5, signal, permit }));
  assertStrictEquals(caught, reason);
  const error = await assertRejects(
    () => withDeadline(fn, { timeoutMs: 0, permit }),
    SecurityError,
  );
  assertEquals(error.code, "timeout");
  assertEquals([calls, released], [0, 2]);
});

Deno.test("withDeadline() refuses times that are none, and gives the permit back", async () => {
  let released = 0;
  const permit = { release: () => released++ };
  for (const timeoutMs of [-1, -0.001, NaN, Infinity, -Infinity, 2 ** 60]) {
    await assertRejects(
      () => withDeadline(() => 1, { timeoutMs, permit }),
      RangeError,
      "timeoutMs",
    );
  }
  const wrong: unknown[] = [
    [() => 1, {}],
    [() => 1, { timeoutMs: "5" }],
    [() => 1, { timeoutMs: 5n }],
    [() => 1, { timeoutMs: 5, releaseAt: "never" }],
    [undefined, { timeoutMs: 5 }],
  ];
  for (const [fn, options] of wrong as [() => number, DeadlineOptions][]) {
    await assertRejects(() => withDeadline(fn, { ...options, permit }), TypeError);
  }
  assertEquals(released, 11);
});

Deno.test("withDeadline() reads its options once", async () => {
  const reads: string[] = [];
  const options = new Proxy({ timeoutMs: 5 }, {
    get(target, name, receiver) {
      reads.push(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
  await assertRejects(() => withDeadline(listening, options), SecurityError);
  assertEquals(reads.length, new Set(reads).size);
});

Deno.test("withDeadline() waits for 30 days, whatever the clock on the wall does", async () => {
  const clock = new VirtualClock();
  const outcome = outcomeOf(withDeadline(listening, { timeoutMs: 30 * DAY_MS, clock }));
  await advance(clock, 29 * DAY_MS);
  clock.setWall(clock.wallMs() + 365 * DAY_MS);
  await advance(clock, DAY_MS - 1);
  clock.setWall(0);
  await settle();
  assertEquals(outcome.state, "pending");
  await advance(clock, 11);
  assertEquals([outcome.state, clock.timers, orphans()], ["timeout", 0, 0]);
});

Deno.test("withDeadline() shares the deadline of the call whose signal it is given", async () => {
  const cases: [number, number, number][] = [
    // Outer, inner, and which of them the error is of.
    [100, 500, 100],
    [500, 100, 100],
    [100, 100, 100],
    [103, 108, 103],
    [500, 507, 500],
  ];
  for (const [outerMs, innerMs, firstMs] of cases) {
    const clock = new VirtualClock();
    clock.advance(3);
    let left: number | undefined;
    let innerError: unknown;
    const call = withDeadline(async (signal) => {
      try {
        await withDeadline((inner) => {
          left = remainingMs(inner);
          return listening(inner);
        }, { timeoutMs: innerMs, clock, signal, operation: "inner" });
      } catch (error) {
        innerError = error;
        throw error;
      }
    }, { timeoutMs: outerMs, clock, operation: "outer" });
    const outcome = outcomeOf(call);
    await advance(clock, firstMs - 1);
    assertEquals(outcome.state, "pending");
    await advance(clock, 11);
    assertEquals(left, firstMs);
    assertInstanceOf(outcome.reason, SecurityError);
    assertStrictEquals(outcome.reason, innerError);
    assertEquals(outcome.reason.details, {
      timeoutMs: firstMs,
      operation: outerMs <= innerMs ? "outer" : "inner",
    });
    await settle();
    assertEquals([clock.timers, orphans()], [0, 0]);
  }
});

Deno.test("withDeadline() keeps its own deadline when the call around it has ended", async () => {
  const clock = new VirtualClock();
  let inner: Promise<unknown> | undefined;
  await withDeadline((signal) => {
    inner = withDeadline(listening, { timeoutMs: 500, clock, signal });
    return "done, though something goes on";
  }, { timeoutMs: 100, clock });
  const outcome = outcomeOf(inner!);
  await advance(clock, 499);
  assertEquals(outcome.state, "pending");
  await advance(clock, 11);
  assertEquals(outcome.state, "timeout");
});

Deno.test("withDeadline() and its function may abort the signal that it was given", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const reason = new Error("enough");
  let sawAbort = false;
  const call = withDeadline((signal) => {
    controller.abort(reason);
    sawAbort = signal.aborted;
    return 1;
  }, { timeoutMs: 100, clock, signal: controller.signal });
  assertStrictEquals(await assertRejects(() => call), reason);
  assert(sawAbort);
  await settle();
  assertEquals([clock.timers, orphans()], [0, 0]);
});

Deno.test("remainingMs() tells the time left, and nothing of other signals", async () => {
  const clock = new VirtualClock();
  const seen: (number | undefined)[] = [];
  await withDeadline((signal) => {
    seen.push(remainingMs(signal));
    clock.advance(60);
    seen.push(remainingMs(signal));
    clock.advance(60);
    seen.push(remainingMs(signal), remainingMs(AbortSignal.any([signal])));
  }, { timeoutMs: 100, clock });
  assertEquals(seen, [100, 40, 0, undefined]);
});

for (const releaseAt of ["end", "deadline"] as const) {
  for (const ending of ["succeeds", "fails"] as const) {
    Deno.test(`withDeadline() gives the permit of an orphan that ${ending} back at its ${releaseAt}`, async () => {
      const clock = new VirtualClock();
      const semaphore = new Semaphore({ permits: 1 });
      const events: AuditEventInput[] = [];
      const told: OrphanedWork[] = [];
      const work = deaf();
      const outcome = outcomeOf(withDeadline(work.fn, {
        timeoutMs: 100,
        clock,
        operation: "file.read",
        permit: await semaphore.acquire(),
        releaseAt,
        reporter: { report: (event) => void events.push(event) },
        onOrphan: (orphan) => told.push(orphan),
      }));
      await advance(clock, 100);
      assertEquals([outcome.state, orphans()], ["timeout", 1]);
      assertEquals(semaphore.stats.inUse, releaseAt === "end" ? 1 : 0);
      assertEquals(events, []);

      await advance(clock, 20);
      assertEquals(told.length, 1);
      assertEquals([told[0]!.operation, told[0]!.afterMs], ["file.read", 110]);
      assertEquals(events.length, 1);
      const { kind, outcome: how, operation, code, durationMs, details } = events[0]!;
      assertEquals([kind, how, operation, code, durationMs, details], [
        "runtime.orphan",
        "error",
        "file.read",
        "timeout",
        110,
        { state: "running", after: "timeout", timeoutMs: 100 },
      ]);

      await advance(clock, 5000);
      assertEquals([orphans(), clock.timers, events.length], [1, 0, 1]);
      if (ending === "fails") work.fail(new Error("nobody hears this"));
      else work.end("late");
      assertEquals(await told[0]!.ended, 5120);
      assertEquals([orphans(), semaphore.stats.inUse, events.length], [0, 0, 2]);
      assertEquals([events[1]!.kind, events[1]!.outcome, events[1]!.durationMs], [
        "runtime.orphan",
        "error",
        5120,
      ]);
      assertEquals(events[1]!.details?.state, ending === "fails" ? "failed" : "succeeded");
    });
  }
}

Deno.test("control: a bare race frees the permit while the work goes on, and so has any number running", async () => {
  const semaphore = new Semaphore({ permits: 1 });
  let running = 0;
  for (let call = 0; call < 5; call++) {
    await semaphore.run(async () => {
      const work = new Promise<void>(() => running++);
      await Promise.race([work, Promise.resolve("timed out")]);
    });
  }
  assertEquals([running, semaphore.stats.inUse], [5, 0]);
});

Deno.test("withDeadline() reports no work that listens, and counts what was orphaned by an abort", async () => {
  const clock = new VirtualClock();
  const events: AuditEventInput[] = [];
  const reporter = { report: (event: AuditEventInput) => void events.push(event) };
  const outcome = outcomeOf(withDeadline(listening, { timeoutMs: 10, clock, reporter }));
  await advance(clock, 10);
  await advance(clock, 100);
  assertEquals([outcome.state, events.length, orphans()], ["timeout", 0, 0]);

  const controller = new AbortController();
  const work = deaf();
  const { signal } = controller;
  const aborted = outcomeOf(withDeadline(work.fn, { timeoutMs: 5000, clock, reporter, signal }));
  await settle();
  controller.abort();
  await advance(clock, 20);
  assertEquals([aborted.state, orphans(), events.length], ["rejected", 1, 1]);
  assertEquals([events[0]!.code, events[0]!.details?.after], [undefined, "aborted"]);
  work.end("late");
  await settle();
  assertEquals([orphans(), events.length], [0, 2]);
});

Deno.test("withDeadline() is not disturbed by a reporter or a watcher that fails", async () => {
  const clock = new VirtualClock();
  const reporters = [
    { report: () => Promise.reject(new Error("disk full")) },
    {
      report: (): void => {
        throw new Error("disk full");
      },
    },
  ];
  const onOrphan = () => {
    throw new Error("watcher");
  };
  const works = reporters.map((reporter) => {
    const work = deaf();
    const call = withDeadline(work.fn, { timeoutMs: 10, clock, reporter, onOrphan });
    return { work, outcome: outcomeOf(call) };
  });
  const other = outcomeOf(withDeadline(listening, { timeoutMs: 30, clock }));
  await advance(clock, 100);
  assertEquals(works.map(({ outcome }) => outcome.state), ["timeout", "timeout"]);
  assertEquals([other.state, orphans()], ["timeout", 2]);
  works.forEach(({ work }) => work.end("late"));
  await settle();
  assertEquals(orphans(), 0);
});

Deno.test("withDeadline() leaves one listener on a signal with 10,000 calls, and then none", async () => {
  const clock = new VirtualClock();
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
  const works = Array.from({ length: 10_000 }, deaf);
  const calls = works.map(({ fn }) => withDeadline(fn, { timeoutMs: 1000, clock, signal }));
  await settle();
  assertEquals([listeners, clock.timers], [1, 1]);
  works.slice(0, 5000).reverse().forEach(({ end }) => end("done"));
  await settle();
  assertEquals([listeners, clock.timers], [1, 1]);
  const reason = new Error("all of you");
  controller.abort(reason);
  assertEquals(listeners, 0);
  const outcomes = await Promise.allSettled(calls);
  assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 5000);
  works.forEach(({ end }) => end("late"));
  await settle();
  assertEquals([listeners, clock.timers, orphans()], [0, 0, 0]);
});

Deno.test("control: a listener of one's own costs more the more there are", () => {
  const time = (count: number): number => {
    const { signal } = new AbortController();
    const startMs = performance.now();
    for (let at = 0; at < count; at++) signal.addEventListener("abort", () => at);
    return (performance.now() - startMs) / count;
  };
  time(100);
  const fewMs = Math.min(time(100), time(100), time(100));
  assertGreaterOrEqual(time(10_000), 4 * fewMs);
});

Deno.test("withDeadline() aborts thousands of calls within calls, and no stack ends", async () => {
  const clock = new VirtualClock();
  let deepest = false;
  const nest = (depth: number, signal?: AbortSignal): Promise<unknown> =>
    withDeadline(
      (own) => depth === 0 ? aborted(own).then(() => deepest = true) : nest(depth - 1, own),
      { timeoutMs: 1000, clock, ...(signal && { signal }) },
    );
  // The stack ends for calls that deep when they are made one within the other.
  const made = nest(500);
  const codes = made.catch((error) => error.code);
  await settle();
  clock.advance(1020);
  assertEquals(await codes, "timeout");
  await settle();
  assertEquals(deepest, true);
  clock.advance(20);

  let signal: AbortSignal | undefined;
  const works: Promise<unknown>[] = [];
  for (let depth = 0; depth < 5000; depth++) {
    works.push(withDeadline((own) => {
      signal = own;
      return aborted(own);
    }, { timeoutMs: 1000, clock, ...(signal && { signal }) }));
  }
  const all = Promise.allSettled(works);
  await settle();
  clock.advance(1020);
  const reasons = (await all).map((work) => work.status === "rejected" ? work.reason.code : "");
  assertEquals(new Set(reasons), new Set(["timeout"]));
  clock.advance(20);
  assertEquals(clock.timers, 0);
});

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

Deno.test("withDeadline() gives a permit back when its options are refused, a signal of null too", async () => {
  const semaphore = new Semaphore({ permits: 1 });
  const options = { timeoutMs: 10, signal: null } as unknown as DeadlineOptions;
  const permit = await semaphore.acquire();
  await assertRejects(() => withDeadline(() => {}, { ...options, permit }), TypeError, "signal");
  assertEquals(semaphore.stats.inUse, 0);
  const held = await semaphore.acquire();
  const waiting = { signal: null, timeoutMs: 5 } as unknown as { timeoutMs: number };
  await assertRejects(() => semaphore.acquire(waiting), TypeError, "signal");
  assertEquals(semaphore.stats.queued, 0);
  held.release();
});

Deno.test("withDeadline() keeps every deadline though a permit or a callback fails", async () => {
  const clock = new VirtualClock();
  const permit = {
    release(): void {
      throw new Error("no");
    },
    [Symbol.dispose](): void {},
  };
  const hang = () => new Promise<never>(() => {});
  const bad = withDeadline(hang, {
    timeoutMs: 10,
    clock,
    permit,
    releaseAt: "deadline",
    onOrphan: (() => Promise.reject(new Error("no"))) as () => void,
  });
  const good = withDeadline(hang, { timeoutMs: 10, clock });
  const codes = [bad, good].map((work) => work.catch((error) => error.code));
  await settle();
  clock.advance(20);
  clock.advance(20);
  assertEquals(await Promise.all(codes), ["timeout", "timeout"]);
  assertEquals(await withDeadline(() => 1, { timeoutMs: 10, clock, permit }), 1);
});

for (
  const [way, count, leastMs, mostMs] of [
    ["withDeadline", 100_000, 0, 1500],
    ["AbortSignal.timeout", 1000, 2000, Infinity],
  ] as const
) {
  const name = way === "withDeadline"
    ? "withDeadline() leaves no timer after 100,000 calls: the program ends at once"
    : "control: AbortSignal.timeout() keeps the program alive until it fires";
  Deno.test(name, async () => {
    const { endedMs, lines } = await child(way, count);
    const idleMs = endedMs - Number(lines.at(-1));
    assertGreaterOrEqual(idleMs, leastMs);
    assertLess(idleMs, mostMs);
  });
}

Deno.test("withDeadline() keeps the program alive until the deadline", async () => {
  const { lines } = await child("pending", 1);
  assertEquals(lines[0], "timeout");
});

async function child(...args: (string | number)[]): Promise<{ endedMs: number; lines: string[] }> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "--no-prompt",
      "--no-check",
      fromFileUrl(new URL("./_deadline_child.ts", import.meta.url)),
      ...args.map(String),
    ],
    stdin: "null",
    stderr: "inherit",
  }).output();
  assert(success);
  return { endedMs: Date.now(), lines: new TextDecoder().decode(stdout).trim().split("\n") };
}
