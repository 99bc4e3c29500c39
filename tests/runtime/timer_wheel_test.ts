import { assert, assertEquals, assertGreaterOrEqual, assertStrictEquals } from "@std/assert";
import { systemClock } from "../../src/_internal/clock.ts";
import { TICK_MS, TimerWheel, wheelOf, WheelTimer } from "../../src/runtime/_timer_wheel.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const DAY_MS = 86_400_000;

/** The timers of the runtime take whole milliseconds. */
const LATEST_MS = TICK_MS + 1;

class Noting extends WheelTimer {
  firedMs: number[] = [];

  constructor(readonly clock: { monotonicMs(): number }, readonly then?: () => void) {
    super();
  }

  due(): void {
    this.firedMs.push(this.clock.monotonicMs());
    this.then?.();
  }
}

/** Longer than the wheel waits until it sets its timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await undefined;
}

/** A generator of its own, so that every run is the same. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

Deno.test("TimerWheel fires never early, and at most a tick late, at any distance", async () => {
  for (const startMs of [0, 3, 9_999.5, 327_675, 12_345_678]) {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    clock.advance(startMs);
    const delays = [0, 0.5, 1, 9.99, 10, 11, 310, 319.9, 320, 321, 10_230, 10_240, 327_680, 1e6];
    const timers = delays.map((delayMs) => {
      const timer = new Noting(clock);
      wheel.add(timer, clock.monotonicMs(), delayMs);
      return { timer, delayMs };
    });
    await settle();
    assertEquals(clock.timers, 1);
    clock.advance(2e6);
    for (const { timer, delayMs } of timers) {
      assertEquals(timer.firedMs.length, 1, `${delayMs} from ${startMs}`);
      const lateMs = timer.firedMs[0]! - startMs - delayMs;
      assert(lateMs >= 0 && lateMs <= LATEST_MS, `${delayMs} from ${startMs} is late by ${lateMs}`);
    }
    assertEquals([wheel.pending, clock.timers], [0, 0]);
  }
});

Deno.test("TimerWheel keeps every promise in 20,000 random additions and removals", async () => {
  const next = random(6);
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const living: { timer: Noting; dueMs: number }[] = [];
  let fired = 0;
  for (let step = 0; step < 20_000; step++) {
    const dice = next();
    if (dice < 0.5) {
      const delayMs = next() * 10 ** (next() * 7);
      const timer = new Noting(clock);
      wheel.add(timer, clock.monotonicMs(), delayMs);
      living.push({ timer, dueMs: clock.monotonicMs() + delayMs });
    } else if (dice < 0.7 && living.length > 0) {
      const [gone] = living.splice(Math.floor(next() * living.length), 1);
      wheel.remove(gone!.timer);
      wheel.remove(gone!.timer);
      assertEquals(gone!.timer.firedMs.length, 0);
    } else {
      await settle();
      clock.advance(next() * 10 ** (next() * 4));
      for (let at = living.length - 1; at >= 0; at--) {
        const { timer, dueMs } = living[at]!;
        if (timer.firedMs.length === 0) {
          assert(dueMs + LATEST_MS > clock.monotonicMs(), "overdue");
          continue;
        }
        assert(timer.firedMs[0]! >= dueMs && timer.firedMs[0]! <= dueMs + LATEST_MS);
        assertEquals(timer.firedMs.length, 1);
        living.splice(at, 1);
        fired++;
      }
    }
    assertEquals(wheel.pending, living.length);
  }
  assertGreaterOrEqual(fired, 1000);
  for (const { timer } of living) wheel.remove(timer);
  assertEquals([wheel.pending, clock.timers], [0, 0]);
});

Deno.test("TimerWheel waits longer than any timer can", async () => {
  for (const days of [25, 30, 400, 20 * 365]) {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    const timer = new Noting(clock);
    wheel.add(timer, 0, days * DAY_MS);
    await settle();
    clock.advance(days * DAY_MS - 1);
    assertEquals(timer.firedMs, []);
    clock.advance(1);
    assertEquals(timer.firedMs, [days * DAY_MS]);
  }
});

Deno.test("control: setTimeout() fires at once for 30 days", async () => {
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 30 * DAY_MS));
  assert(performance.now() - startMs < DAY_MS);
});

Deno.test("TimerWheel fires all that is due when its timer comes hours late", async () => {
  let nowMs = 0;
  const wakes: (() => void)[] = [];
  const wheel = new TimerWheel({
    monotonicMs: () => nowMs,
    wallMs: () => 0,
    setTimer(callback) {
      wakes.push(callback);
      return { cancel() {} };
    },
  });
  const timers = Array.from({ length: 1000 }, (_, at) => {
    const timer = new Noting({ monotonicMs: () => nowMs });
    wheel.add(timer, 0, at * 10_000);
    return timer;
  });
  await settle();
  nowMs = 3 * 3_600_000;
  wakes.at(-1)!();
  assertEquals(timers.every(({ firedMs }) => firedMs.length === 1), true);
  assertEquals(wheel.pending, 0);
});

Deno.test("TimerWheel takes additions and removals while it fires", async () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const victim = new Noting(clock);
  const again = new Noting(clock);
  wheel.add(
    new Noting(clock, () => {
      wheel.remove(victim);
      wheel.add(again, clock.monotonicMs(), 320);
    }),
    0,
    10,
  );
  wheel.add(victim, 0, 10);
  await settle();
  clock.advance(1000);
  assertEquals(victim.firedMs, []);
  assertEquals(again.firedMs, [330]);
  assertEquals([wheel.pending, clock.timers], [0, 0]);
});

Deno.test("TimerWheel sets no timer for what ends within its turn, and a sooner one when it must", async () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const late = new Noting(clock);
  wheel.add(late, 0, 5000);
  await undefined;
  assertEquals(clock.timers, 0);
  await settle();
  assertEquals(clock.timers, 1);
  const soon = new Noting(clock);
  wheel.add(soon, 0, 20);
  await settle();
  assertEquals(clock.timers, 1);
  clock.advance(20);
  assertEquals(soon.firedMs, [20]);
  wheel.remove(late);
  assertEquals(clock.timers, 0);
});

Deno.test("wheelOf() is the same for one clock, and another for another", () => {
  const wheel = wheelOf(systemClock);
  assertStrictEquals(wheelOf(systemClock), wheel);
  assert(wheelOf(new VirtualClock()) !== wheel);
});
