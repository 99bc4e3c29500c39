import { assertEquals, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { make } from "./_block_machine.ts";

const MINUTE = 60_000;

Deno.test("BlockList survives a restart by its snapshot", async () => {
  using before = make();
  await before.blocks.block({ network: "203.0.113.0/24" }, { reason: "scan", forMs: 60 * MINUTE });
  await before.blocks.block({ principal: "alice", source: "2001:db8::1" }, { reason: "login" });
  await before.blocks.block({ key: "k" }, { reason: "short", forMs: MINUTE });
  before.clock.advance(30_000);
  const text = JSON.stringify(before.blocks.snapshot());

  using after = make({ allow: [{ key: "k" }] });
  after.clock.setWall(before.clock.wallMs() + 5 * MINUTE);
  assertEquals(after.blocks.restore(JSON.parse(text)), 2);
  assertEquals(
    after.blocks.isBlocked({ source: "203.0.113.7" })?.retryAfterMs,
    54 * MINUTE + 30_000,
  );
  assertEquals(
    after.blocks.isBlocked({ principal: "alice", source: "2001:db8::2" })?.reason,
    "login",
  );
  // Who was blocked before is known.
  after.clock.advance(55 * MINUTE);
  const again = await after.blocks.block({ network: "203.0.113.0/24" }, { reason: "scan" });
  assertEquals(again?.retryAfterMs, 20 * MINUTE);

  // A clock that went back makes no block longer.
  using early = make();
  early.clock.setWall(0);
  early.blocks.restore(JSON.parse(text));
  assertEquals(
    early.blocks.isBlocked({ source: "203.0.113.7" })?.retryAfterMs,
    59 * MINUTE + 30_000,
  );
  assertEquals(early.events.at(-1)?.details, { count: 3 });
});

Deno.test("BlockList.restore() takes all of a snapshot or nothing", async () => {
  using list = make({ capacity: 2 });
  await list.blocks.block({ key: "k" }, { reason: "r" });
  const good = () => JSON.parse(JSON.stringify(list.blocks.snapshot()));
  const block = good().blocks[0];
  const offender = good().offenders[0];
  const bad: readonly unknown[] = [
    ...[undefined, null, 7, "x", [], {}],
    { ...good(), version: 2 },
    { ...good(), more: 1 },
    { ...good(), takenAtMs: NaN },
    { ...good(), takenAtMs: -1 },
    { ...good(), blocks: {} },
    { ...good(), blocks: [block, block, block] },
    { ...good(), offenders: [offender, offender, offender, offender] },
    ...[
      { target: {} },
      { target: null },
      { target: { key: "" } },
      { target: { network: "10.0.0.1/8" } },
      { target: { principal: "a", key: "b" } },
      { target: { constructor: "x" } },
      { reason: 7 },
      { reason: "x".repeat(257) },
      { level: -1 },
      { level: 65 },
      { untilMs: 1e300 },
      { untilMs: "1" },
      { more: 1 },
    ].map((change) => ({ ...good(), blocks: [block, { ...block, ...change }] })),
    ...[{ id: "x:k" }, { id: "k:".padEnd(400) }, { level: 1.5 }, { forgetAtMs: null }]
      .map((change) => ({ ...good(), offenders: [{ ...offender, ...change }] })),
  ];
  using other = make({ capacity: 2 });
  for (const snapshot of bad) {
    const error = assertThrows(() => other.blocks.restore(snapshot), SecurityError);
    assertEquals([error.code, other.blocks.size], ["json-invalid", 0], JSON.stringify(snapshot));
  }
  assertEquals(other.blocks.restore(good()), 1);
});

Deno.test("BlockList can always restore its own snapshot", async () => {
  for (const capacity of [1, 2, 3, 7]) {
    using list = make({ capacity });
    for (let count = 0; count < 50; count++) {
      await list.blocks.block({ key: `${count}` }, { reason: "" });
      using other = make({ capacity });
      assertEquals(other.blocks.restore(list.blocks.snapshot()), list.blocks.size);
    }
  }
});
