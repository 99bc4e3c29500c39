import { assert, assertEquals, assertRejects } from "@std/assert";
import { Generations } from "../../src/runtime/_generations.ts";
import { make } from "./_block_machine.ts";

const MINUTE = 60_000;

Deno.test("BlockList.recordViolation() blocks at the threshold, and for longer every time", async () => {
  using list = make();
  const { blocks, clock } = list;
  const target = { source: "192.0.2.1" };
  const offend = () => blocks.recordViolation(target, { reason: "denied" });
  for (const minutes of [10, 20, 40, 80]) {
    for (let count = 0; count < 4; count++) {
      assertEquals(await offend(), undefined);
      clock.advance(14_000);
      assertEquals(blocks.isBlocked(target), undefined);
    }
    assertEquals((await offend())?.retryAfterMs, minutes * MINUTE);
    // What a blocked client does changes nothing.
    for (let count = 0; count < 20; count++) {
      assertEquals((await offend())?.retryAfterMs, minutes * MINUTE);
    }
    clock.advance(minutes * MINUTE);
    assertEquals(blocks.isBlocked(target), undefined);
  }
  // A day after its end, the next block begins anew.
  clock.advance(86_400_000);
  for (let count = 0; count < 4; count++) await offend();
  assertEquals((await offend())?.retryAfterMs, 10 * MINUTE);
});

Deno.test("BlockList.recordViolation() does not block who stays below the threshold", async () => {
  using list = make();
  const target = { source: "192.0.2.1" };
  for (let count = 0; count < 50; count++) {
    assertEquals(await list.blocks.recordViolation(target, { reason: "denied" }), undefined);
    // Four in any minute: the fifth comes 60 seconds after the first.
    list.clock.advance(15_000);
  }
  const options = { reason: "denied", threshold: 2, withinMs: 1000, forMs: 7 };
  assertEquals(await list.blocks.recordViolation({ key: "k" }, options), undefined);
  list.clock.advance(999);
  assertEquals((await list.blocks.recordViolation({ key: "k" }, options))?.retryAfterMs, 7);
});

Deno.test("BlockList.recordViolation() counts for every rule by itself", async () => {
  const target = { source: "192.0.2.1" };
  const scan = { reason: "404", threshold: 100, withinMs: 60 * MINUTE };
  const login = { reason: "bad login", threshold: 5 };
  using list = make();
  const { blocks } = list;
  // What is harmless by its own rule locks nobody out by another one.
  for (let count = 0; count < 4; count++) await blocks.recordViolation(target, scan);
  assertEquals(await blocks.recordViolation(target, login), undefined);
  // A rule with a small threshold makes another one forget nothing.
  for (let count = 4; count < 99; count++) {
    assertEquals(await blocks.recordViolation(target, scan), undefined);
    await blocks.recordViolation(target, { reason: "rare", threshold: 5, withinMs: 1 });
    list.clock.advance(1000);
  }
  assertEquals((await blocks.recordViolation(target, scan))?.reason, "404");

  // Two rules that are alike are one, unless they have names; reasons may be whatever a client sent.
  const key = { key: "k" };
  for (let count = 0; count < 4; count++) {
    await blocks.recordViolation(key, { reason: `GET /${count}` });
  }
  for (const rule of ["login", "x".repeat(1000)]) {
    assertEquals(await blocks.recordViolation(key, { reason: "", rule }), undefined);
  }
  assertEquals((await blocks.recordViolation(key, { reason: "last" }))?.reason, "last");
  const wrong = { reason: "", rule: 7 as unknown as string };
  await assertRejects(() => blocks.recordViolation({ key: "x" }, wrong), TypeError);
});

Deno.test("BlockList counts violations of a bounded number of offenders", async () => {
  using list = make({ capacity: 1000 });
  const { blocks } = list;
  const options = { reason: "test", threshold: 3 };
  for (let count = 0; count < 3; count++) {
    for (let other = 0; other < 400; other++) {
      await blocks.recordViolation({ key: `${count} ${other}` }, options);
    }
    // Among as many others as half of the capacity, nobody is forgotten.
    await blocks.recordViolation({ key: "mallory" }, options);
  }
  assert(blocks.isBlocked({ key: "mallory" }) !== undefined);
  const table = new Generations<number>(1000);
  for (let count = 0; count < 1_000_000; count++) table.set(`${count}`, count);
  assert(table.size <= 1000 && table.size >= 500, `${table.size}`);
  assertEquals(table.get("999999"), 999_999);
});
