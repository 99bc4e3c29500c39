import { assertEquals } from "@std/assert";
import type { Clock } from "../../src/_internal/clock.ts";
import { DeadlineQueue } from "../../src/runtime/_deadline_queue.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

class Work {
  dueMs = 0;
  isOver = false;
  expiredAtMs = -1;
  readonly #queue: DeadlineQueue;
  readonly #clock: Clock;

  constructor(queue: DeadlineQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
    queue.add(this, clock.monotonicMs());
  }

  end(): void {
    this.isOver = true;
    this.#queue.ended();
  }

  expire(): void {
    this.expiredAtMs = this.#clock.monotonicMs();
    this.end();
  }
}

/** A clock of a program that is busy: timers fire when it says so, however late. */
function busyClock() {
  let nowMs = 0;
  let wake: (() => void) | undefined;
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    setTimer: (callback) => {
      wake = callback;
      return { cancel: () => wake = undefined };
    },
  };
  const fireAt = (ms: number) => {
    nowMs = ms;
    const callback = wake;
    wake = undefined;
    callback?.();
  };
  return { clock, fireAt, isSet: () => wake !== undefined };
}

Deno.test("DeadlineQueue lets answers be read first when its timer is late, but only once", () => {
  const { clock, fireAt, isSet } = busyClock();
  const queue = new DeadlineQueue(clock, 100);
  const answered = new Work(queue, clock);
  const silent = new Work(queue, clock);
  fireAt(250);
  assertEquals([answered.isOver, silent.isOver], [false, false]);
  answered.end();
  // The program is busy again, and what is due ends nevertheless.
  fireAt(500);
  assertEquals([answered.expiredAtMs, silent.expiredAtMs], [-1, 500]);
  assertEquals(isSet(), false);
  // A timer in time gives no grace.
  const later = new Work(queue, clock);
  fireAt(601);
  assertEquals(later.expiredAtMs, 601);
});

Deno.test("DeadlineQueue ends all that is late, each at its time, with one timer", () => {
  const clock = new VirtualClock();
  const queue = new DeadlineQueue(clock, 100);
  const works: Work[] = [];
  for (let at = 0; at < 5_000; at++) {
    works.push(new Work(queue, clock));
    assertEquals(clock.timers, 1);
    // Two of three end in time.
    if (at % 3 !== 0) works[at]!.end();
    if (at % 10 === 9) clock.advance(1);
  }
  clock.advance(1_000);
  for (const [at, work] of works.entries()) {
    const startMs = Math.floor(at / 10);
    assertEquals(work.expiredAtMs, at % 3 === 0 ? startMs + 100 : -1);
  }
  assertEquals(clock.timers, 0);
});

Deno.test("DeadlineQueue has no timer while nothing is under way, and a new one afterwards", () => {
  const clock = new VirtualClock();
  const queue = new DeadlineQueue(clock, 100);
  for (let round = 0; round < 3; round++) {
    const first = new Work(queue, clock);
    const second = new Work(queue, clock);
    second.end();
    assertEquals(clock.timers, 1);
    first.end();
    assertEquals(clock.timers, 0);
    clock.advance(50);
  }
  const late = new Work(queue, clock);
  clock.advance(99);
  assertEquals(late.isOver, false);
  clock.advance(1);
  assertEquals([late.isOver, clock.timers], [true, 0]);
});
