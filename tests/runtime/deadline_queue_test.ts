import { assertEquals } from "@std/assert";
import { DeadlineQueue } from "../../src/runtime/_deadline_queue.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

class Work {
  dueMs = 0;
  isOver = false;
  expiredAtMs = -1;
  readonly #queue: DeadlineQueue;
  readonly #clock: VirtualClock;

  constructor(queue: DeadlineQueue, clock: VirtualClock) {
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
