import { assertEquals } from "@std/assert";
import { CircuitBreaker } from "../../src/runtime/_circuit_breaker.ts";

function make(failures: number): CircuitBreaker {
  return new CircuitBreaker({ failures, pauseMs: 1000, maxPauseMs: 8000, random: () => 1 });
}

Deno.test("CircuitBreaker counts calls that were under way together as one failure", () => {
  const breaker = make(3);
  for (let wave = 0; wave < 3; wave++) {
    assertEquals(breaker.isOpen, false);
    const tickets = Array.from({ length: 100 }, () => breaker.enter(wave));
    for (const ticket of tickets) breaker.failed(ticket, wave);
  }
  assertEquals([breaker.isOpen, breaker.enter(5), breaker.pauseLeftMs(2)], [true, 0, 1000]);
});

Deno.test("CircuitBreaker begins to count anew with each answer, also with one that was asked for earlier", () => {
  const breaker = make(2);
  for (let wave = 0; wave < 10; wave++) {
    const [one, other] = [breaker.enter(wave), breaker.enter(wave)];
    breaker.failed(one, wave);
    breaker.succeeded(other);
  }
  assertEquals(breaker.isOpen, false);
});

Deno.test("CircuitBreaker lets one call find out after a pause, and no older one end it", () => {
  const breaker = make(1);
  const [first, old] = [breaker.enter(0), breaker.enter(0)];
  breaker.failed(first, 0);
  breaker.succeeded(old);
  assertEquals([breaker.isOpen, breaker.enter(999)], [true, 0]);
  let nowMs = 1000;
  for (const pauseMs of [2000, 4000, 8000, 8000]) {
    const probe = breaker.enter(nowMs);
    assertEquals([probe > 0, breaker.enter(nowMs)], [true, 0]);
    breaker.failed(old, nowMs);
    assertEquals(breaker.enter(nowMs), 0);
    breaker.failed(probe, nowMs);
    assertEquals(breaker.pauseLeftMs(nowMs), pauseMs);
    nowMs += pauseMs;
  }
  breaker.succeeded(breaker.enter(nowMs));
  assertEquals(breaker.isOpen, false);
});
