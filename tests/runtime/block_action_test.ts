import { assert, assertEquals, assertThrows } from "@std/assert";
import type { AlertAction } from "../../src/events/alert.ts";
import { blockAction } from "../../src/runtime/block_action.ts";
import { BlockList } from "../../src/runtime/block_list.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

Deno.test("blockAction() blocks what an alert calls blockable, and nothing else", async () => {
  using blocks = new BlockList({ clock: new VirtualClock() });
  const action = blockAction(blocks, { forMs: 1000 });
  // It fits into a rule.
  const _fits: AlertAction = action;
  await action({ rule: "r", target: { principal: "mallory" } });
  await action({ rule: "r", target: { source: "192.0.2.1" } });
  await action({ rule: "logins", target: { principal: "alice", source: "192.0.2.2" } });
  const pair = blocks.isBlocked({ principal: "alice", source: "192.0.2.2" });
  assertEquals([pair?.reason, pair?.retryAfterMs], ["alert: logins", 1000]);
  assert(blocks.isBlocked({ principal: "mallory" }) !== undefined);
  assert(blocks.isBlocked({ source: "192.0.2.1" }) !== undefined);
  assertEquals(blocks.isBlocked({ principal: "alice" }), undefined);
  assertEquals(blocks.isBlocked({ source: "192.0.2.2" }), undefined);
  await action({ rule: "r", target: null });
  for (const source of ["/run/app.sock", "localhost", ""]) {
    await action({ rule: "r", target: { source } });
    await action({ rule: "r", target: { principal: "alice", source } });
  }
  assertEquals(blocks.size, 3);
  await action({ rule: "r", target: { source: "fe80::1%eth0" } });
  assert(blocks.isBlocked({ source: "fe80::2%eth1" }) !== undefined);
});

Deno.test("blockAction() leaves the time to the list when it is told none", async () => {
  using blocks = new BlockList({ clock: new VirtualClock() });
  await blockAction(blocks)({ rule: "r", target: { source: "192.0.2.1" } });
  assertEquals(blocks.isBlocked({ source: "192.0.2.1" })?.retryAfterMs, 600_000);
  for (const forMs of [0, -1, NaN, Infinity]) {
    assertThrows(() => blockAction(blocks, { forMs }), RangeError);
  }
});
