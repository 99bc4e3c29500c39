import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { BlockList, type BlockListOptions } from "../../src/runtime/block_list.ts";
import type { BlockTarget } from "../../src/runtime/block_store.ts";
import { make } from "./_block_machine.ts";

const MINUTE = 60_000;

Deno.test("BlockList blocks what it is told to, and nothing else", async () => {
  const table: readonly (readonly [BlockTarget, readonly object[], readonly object[]])[] = [
    [
      { principal: "mallory" },
      [{ principal: "mallory" }, { principal: "mallory", source: "192.0.2.1", key: "k" }],
      [{ principal: "alice" }, { key: "mallory" }, { source: "mallory" }, {}, { principal: "" }],
    ],
    [{ key: "k1" }, [{ key: "k1", principal: "alice" }], [{ key: "k2" }, { principal: "k1" }]],
    [
      { source: "192.0.2.1" },
      [{ source: "192.0.2.1" }, { source: "::ffff:192.0.2.1" }, { source: "::ffff:c000:201" }],
      [{ source: "192.0.2.2" }, { source: "192.0.2.01" }, { source: "/run/app.sock" }, {}],
    ],
    [
      // Hosts have a whole /64 to choose from.
      { source: "2001:db8::1" },
      [{ source: "2001:db8::1" }, { source: "2001:db8::ffff:1" }, { source: "2001:DB8::5:6:7:8" }],
      [{ source: "2001:db8:0:1::1" }, { source: "2001:db9::1" }],
    ],
    [
      { network: "203.0.113.0/24" },
      [{ source: "203.0.113.0" }, { source: "203.0.113.255" }],
      [{ source: "203.0.112.255" }, { source: "203.0.114.0" }, { source: "::cb00:7100" }],
    ],
    [
      { network: "2001:db8::/32" },
      [{ source: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" }],
      [{ source: "2001:db9::" }, { source: "32.1.13.184" }],
    ],
    [
      { principal: "alice", source: "192.0.2.1" },
      [{ principal: "alice", source: "192.0.2.1" }],
      [{ principal: "alice" }, { source: "192.0.2.1" }, {
        principal: "alice",
        source: "192.0.2.2",
      }],
    ],
    [
      { principal: "alice", source: "2001:db8::1" },
      [{ principal: "alice", source: "2001:db8::2" }],
      [{ principal: "alice", source: "2001:db8:0:1::1" }, {
        principal: "bob",
        source: "2001:db8::1",
      }],
    ],
  ];
  for (const [target, blocked, free] of table) {
    using list = make();
    const { blocks, clock } = list;
    const block = await blocks.block(target, { reason: "test" });
    assertEquals(block?.retryAfterMs, 10 * MINUTE);
    assertEquals(block?.untilMs, clock.wallMs() + 10 * MINUTE);
    for (const query of blocked) {
      assertEquals(blocks.isBlocked(query), block, JSON.stringify([target, query]));
      const error = assertThrows(() => blocks.enforce(query), SecurityError, "Blocked for now");
      assertEquals([error.code, error.details], ["blocked", { retryAfterMs: 10 * MINUTE }]);
    }
    for (const query of free) {
      assertEquals(blocks.isBlocked(query), undefined, JSON.stringify([target, query]));
      blocks.enforce(query);
    }
    assertEquals(await blocks.unblock(target), true);
    assertEquals(await blocks.unblock(target), false);
    for (const query of blocked) assertEquals(blocks.isBlocked(query), undefined);
    assertEquals(list.operations(), ["block success", "unblock success"]);
  }
});

Deno.test("BlockList tells targets apart, whatever their names are", async () => {
  using list = make();
  await list.blocks.block({ principal: "a", source: "192.0.2.1" }, { reason: "" });
  await list.blocks.block({ key: "p:x" }, { reason: "" });
  await list.blocks.block({ principal: "n:192.0.2.9/32" }, { reason: "" });
  for (const principal of ["s:192.0.2.1/32 a", "192.0.2.1/32 a", "k:p:x", "p:x", "x"]) {
    assertEquals(list.blocks.isBlocked({ principal }), undefined, principal);
    assertEquals(
      list.blocks.isBlocked({ key: principal })?.target,
      principal === "p:x" ? { key: "p:x" } : undefined,
    );
  }
  assertEquals(list.blocks.isBlocked({ source: "192.0.2.9" }), undefined);
});

Deno.test("BlockList keeps no long names of an attacker's choice", async () => {
  using list = make();
  const long = "x".repeat(1_000_000);
  const source = "192.0.2.1";
  await list.blocks.block({ principal: long, source }, { reason: long });
  assertLess(JSON.stringify(list.blocks.snapshot()).length, 1000);
  assert(list.blocks.isBlocked({ principal: long, source }) !== undefined);
  assertEquals(list.blocks.isBlocked({ principal: `${long}y`, source }), undefined);
  const restored = new BlockList({ clock: list.clock });
  assertEquals(restored.restore(list.blocks.snapshot()), 1);
  assert(restored.isBlocked({ principal: long, source }) !== undefined);
  restored.close();
});

Deno.test("BlockList takes no name for the hash of a longer one", async () => {
  using list = make({ allow: [{ principal: "y".repeat(300) }, { key: "z".repeat(300) }] });
  const { blocks } = list;
  const long = "x".repeat(300);
  const shown = await blocks.block({ principal: long }, { reason: "" });
  const namesake = shown!.target.principal!;
  await blocks.unblock({ principal: long });
  // The attacker calls himself by the hash of the victim's name, and gets himself blocked.
  const own = await blocks.block({ principal: namesake }, { reason: "" });
  assertEquals(blocks.isBlocked({ principal: long }), undefined);
  assert(blocks.isBlocked({ principal: namesake }) !== undefined);
  // What was shown, kept or told is the name itself.
  await blocks.block({ principal: long }, { reason: "" });
  using restored = make();
  assertEquals(restored.blocks.restore(blocks.snapshot()), 2);
  for (const principal of [long, namesake]) {
    assert(restored.blocks.isBlocked({ principal }) !== undefined);
  }
  for (const { target } of [own!, shown!]) assertEquals(await blocks.unblock(target), true);
  assertEquals(blocks.size, 0);
  for (const target of [{ principal: "y".repeat(300) }, { key: "z".repeat(300) }]) {
    assertEquals(await blocks.block(target, { reason: "" }), undefined);
  }
});

Deno.test("BlockList knows an address by any zone", async () => {
  using list = make({ allow: [{ source: "fe80::7%eth0" }] });
  const { blocks } = list;
  await blocks.block({ network: "fe80::/64" }, { reason: "" });
  for (const source of ["fe80::1", "fe80::1%eth0", "fe80::1%lo"]) {
    assert(blocks.isBlocked({ source }) !== undefined, source);
  }
  for (const source of ["fe80::7", "fe80::7%eth0", "fe80::7%1", "192.0.2.1%eth0", "fe80::1%"]) {
    assertEquals(blocks.isBlocked({ source }), undefined, source);
  }
  await blocks.block({ source: "fe80:0:0:1::1%eth0" }, { reason: "" });
  assert(blocks.isBlocked({ source: "fe80:0:0:1::2" }) !== undefined);
});

Deno.test("BlockList ends blocks in time, by a clock that does not jump", async () => {
  using list = make();
  const { blocks, clock } = list;
  await blocks.block({ source: "192.0.2.1" }, { reason: "test", forMs: 1000 });
  await blocks.block({ source: "192.0.2.2" }, { reason: "test", forMs: 5000 });
  // The control: a block until a time on the wall ends when somebody sets the clock.
  const until = clock.wallMs() + 5000;
  clock.setWall(clock.wallMs() + 86_400_000);
  assert(until < clock.wallMs());
  assertEquals(blocks.isBlocked({ source: "192.0.2.2" })?.retryAfterMs, 5000);
  clock.setWall(0);
  assertEquals(blocks.isBlocked({ source: "192.0.2.2" })?.untilMs, 5000);
  clock.advance(999);
  assertEquals(blocks.isBlocked({ source: "192.0.2.1" })?.retryAfterMs, 1);
  clock.advance(1);
  assertEquals([blocks.isBlocked({ source: "192.0.2.1" }), blocks.size], [undefined, 1]);
  clock.advance(4000);
  assertEquals([blocks.size, clock.timers], [0, 0]);
  assertEquals(list.operations(), [
    "block success",
    "block success",
    "expire success",
    "expire success",
  ]);
});

Deno.test("BlockList honours blocks that are longer than timers can be", async () => {
  using list = make();
  const forMs = 365 * 86_400_000;
  await list.blocks.block({ principal: "mallory" }, { reason: "test", forMs });
  list.clock.advance(forMs - 1);
  assert(list.blocks.isBlocked({ principal: "mallory" }) !== undefined);
  list.clock.advance(1);
  assertEquals(list.blocks.size, 0);
});

Deno.test("BlockList.block() only ever prolongs, and one offence counts once", async () => {
  using list = make();
  const { blocks, clock } = list;
  const target = { principal: "mallory" };
  const query = { principal: "mallory" };
  await blocks.block(target, { reason: "one" });
  await blocks.block(target, { reason: "two rules saw it" });
  await blocks.block(target, { reason: "shorter", forMs: 1 });
  assertEquals(blocks.isBlocked(query)?.reason, "one");
  assertEquals(blocks.isBlocked(query)?.retryAfterMs, 10 * MINUTE);
  await blocks.block(target, { reason: "longer", forMs: 60 * MINUTE });
  assertEquals(blocks.isBlocked(query)?.retryAfterMs, 60 * MINUTE);
  assertEquals(list.operations(), ["block success", "block success"]);
  clock.advance(60 * MINUTE);
  assertEquals((await blocks.block(target, { reason: "again" }))?.retryAfterMs, 40 * MINUTE);
});

Deno.test("BlockList grows its back-off to a bound", async () => {
  const backOff = { baseMs: 1000, factor: 10, maxMs: 50_000, forgetAfterMs: 1 };
  using list = make({ backOff: { ...backOff, forgetAfterMs: 1_000_000 } });
  const lasted: (number | undefined)[] = [];
  for (let count = 0; count < 100; count++) {
    const block = await list.blocks.block({ key: "k" }, { reason: "" });
    lasted.push(block?.retryAfterMs);
    list.clock.advance(block?.retryAfterMs ?? 0);
  }
  assertEquals(lasted.slice(0, 5), [1000, 10_000, 50_000, 50_000, 50_000]);
  assertEquals(lasted[99], 50_000);
});

Deno.test("BlockList never blocks what is allowed", async () => {
  using list = make({
    allow: [
      { source: "203.0.113.10" },
      { network: "10.0.0.0/8" },
      { principal: "admin" },
      { key: "probe" },
      { source: "2001:db8::7" },
    ],
  });
  const { blocks } = list;
  const table: readonly (readonly [BlockTarget, boolean])[] = [
    [{ source: "203.0.113.10" }, false],
    [{ source: "::ffff:203.0.113.10" }, false],
    [{ network: "203.0.113.0/24" }, true],
    [{ source: "10.1.2.3" }, false],
    [{ network: "10.1.0.0/16" }, false],
    [{ network: "10.0.0.0/8" }, false],
    [{ principal: "admin" }, false],
    [{ principal: "admin", source: "192.0.2.1" }, false],
    [{ principal: "mallory", source: "192.0.2.1" }, true],
    [{ key: "probe" }, false],
    [{ network: "2001:db8::/64" }, true],
  ];
  for (const [target, isBlocked] of table) {
    assertEquals(await blocks.block(target, { reason: "test" }) !== undefined, isBlocked);
    const violation = { reason: "test", threshold: 1 };
    assertEquals(await blocks.recordViolation(target, violation) !== undefined, isBlocked);
  }
  assertEquals(list.operations().filter((operation) => operation === "block denied").length, 8);
  for (const source of ["203.0.113.10", "10.1.2.3", "2001:db8::7"]) {
    assertEquals(blocks.isBlocked({ source }), undefined, source);
  }
  for (const source of ["203.0.113.11", "2001:db8::8"]) {
    assert(blocks.isBlocked({ source }) !== undefined, source);
  }
  assertEquals(blocks.isBlocked({ principal: "admin", source: "192.0.2.1" }), undefined);
  // It shields nothing else.
  await blocks.block({ principal: "eve" }, { reason: "test" });
  assert(blocks.isBlocked({ principal: "eve", source: "203.0.113.10" }) !== undefined);
  assert(blocks.isBlocked({ principal: "admin", source: "203.0.113.11" }) !== undefined);
  // Nobody locks anybody out at an address that is shared, such as a proxy's.
  await blocks.block({ principal: "alice", source: "203.0.113.10" }, { reason: "test" });
  assertEquals(blocks.isBlocked({ principal: "alice", source: "203.0.113.10" }), undefined);
});

Deno.test("BlockList refuses networks that are a slip", async () => {
  using list = make();
  const table: readonly (readonly [string, boolean])[] = [
    ["0.0.0.0/0", false],
    ["10.0.0.0/7", false],
    ["10.0.0.0/8", true],
    ["::ffff:0:0/96", false],
    ["::/0", false],
    ["2001:db8::/31", false],
    ["2001:db8::/32", true],
  ];
  for (const [network, isTaken] of table) {
    if (isTaken) await list.blocks.block({ network }, { reason: "" });
    else await assertRejects(() => list.blocks.block({ network }, { reason: "" }), RangeError);
  }
  assertEquals(list.blocks.isBlocked({ source: "192.0.2.1" }), undefined);
  await list.blocks.block({ network: "0.0.0.0/0" }, { reason: "", dangerouslyAllowWide: true });
  assert(list.blocks.isBlocked({ source: "192.0.2.1" }) !== undefined);
});

Deno.test("BlockList gives the block that ends last of those that match", async () => {
  using list = make();
  const { blocks, clock } = list;
  await blocks.block({ network: "203.0.0.0/16" }, { reason: "wide", forMs: 9000 });
  await blocks.block({ network: "203.0.113.0/24" }, { reason: "narrow", forMs: 1000 });
  await blocks.block({ principal: "mallory" }, { reason: "name", forMs: 20_000 });
  const query = { source: "203.0.113.7", principal: "mallory" };
  assertEquals(blocks.isBlocked(query)?.reason, "name");
  assertEquals(blocks.isBlocked({ source: "203.0.113.7" })?.reason, "wide");
  clock.advance(1000);
  assertEquals(blocks.isBlocked({ source: "203.0.113.7" })?.reason, "wide");
  await blocks.unblock({ network: "203.0.0.0/16" });
  assertEquals(blocks.isBlocked({ source: "203.0.113.7" }), undefined);
});

Deno.test("BlockList stays within its capacity, and keeps who is blocked for longest", async () => {
  using list = make({ capacity: 1000 });
  const { blocks } = list;
  await blocks.block({ principal: "mallory" }, { reason: "test", forMs: 86_400_000 });
  for (let count = 0; count < 5000; count++) {
    await blocks.block({ source: `192.0.${count >> 8}.${count & 255}` }, { reason: "flood" });
  }
  assertEquals(blocks.size, 1000);
  assert(blocks.isBlocked({ principal: "mallory" }) !== undefined);
  assert(blocks.isBlocked({ source: `192.0.${4999 >> 8}.${4999 & 255}` }) !== undefined);
  assertEquals(list.operations().filter((text) => text === "evict error").length, 4001);
});

Deno.test("BlockList refuses what is no target and no option", async () => {
  using list = make();
  const targets = [
    ...[undefined, null, "x", 7, {}, { principal: "" }, { principal: 7 }, { key: undefined }],
    ...[{ source: "localhost" }, { source: "/run/app.sock" }, { source: "10.0.0.0/8" }],
    ...[{ network: "10.0.0.1/8" }, { principal: "a", key: "b" }, { user: "a" }, ["principal"]],
    ...[{ source: "192.0.2.1", network: "192.0.2.0/24" }, { key: "k", source: "192.0.2.1" }],
  ] as BlockTarget[];
  for (const target of targets) {
    for (const call of ["block", "recordViolation", "unblock"] as const) {
      await assertRejects(() => list.blocks[call](target, { reason: "" }), TypeError);
    }
  }
  for (const forMs of [0, -1, NaN, Infinity, 1.5, 2 ** 53]) {
    await assertRejects(() => list.blocks.block({ key: "k" }, { reason: "", forMs }), RangeError);
    const backOff = { baseMs: forMs };
    assertThrows(() => new BlockList({ backOff }), RangeError);
  }
  const options: readonly BlockListOptions[] = [
    { capacity: 0 },
    { capacity: NaN },
    { ipv6PrefixLength: 129 },
    { backOff: { factor: 0.5 } },
    { backOff: { factor: NaN } },
    { backOff: { baseMs: 10, maxMs: 9 } },
  ];
  for (const wrong of options) assertThrows(() => new BlockList(wrong), RangeError);
  const allow = [{ principal: "a", source: "192.0.2.1" }];
  assertThrows(() => new BlockList({ allow }), TypeError);
  assertEquals(list.blocks.size, 0);
});

Deno.test("BlockList records, and does not lift a block that it cannot record", async () => {
  let isBroken = false;
  const events: AuditEventInput[] = [];
  const check = () => {
    if (isBroken) throw new SecurityError("audit-unavailable", "no record");
  };
  const reporter = {
    ready: check,
    report(event: AuditEventInput) {
      check();
      events.push(event);
    },
  };
  using list = make({ reporter });
  const target = { principal: "alice", source: "192.0.2.1" };
  await list.blocks.block(target, { reason: "5 failed logins" });
  assertEquals(events, [{
    kind: "runtime.block",
    operation: "block",
    outcome: "success",
    severity: "notice",
    reason: "5 failed logins",
    principal: "alice",
    principalConfidence: "claimed",
    resource: "192.0.2.1",
    details: { forMs: 600_000, level: 0 },
  }]);
  isBroken = true;
  await assertRejects(() => list.blocks.unblock(target), SecurityError, "no record");
  assert(list.blocks.isBlocked(target) !== undefined);
  // But it blocks: refusing to would be what an attacker wants.
  await assertRejects(() => list.blocks.block({ key: "k" }, { reason: "" }), SecurityError);
  assert(list.blocks.isBlocked({ key: "k" }) !== undefined);
  // Nobody waits for the end of a block.
  list.clock.advance(10 * MINUTE);
  assertEquals(list.blocks.size, 0);
});

Deno.test("BlockList does nothing more when it is closed", async () => {
  using list = make();
  await list.blocks.block({ key: "k" }, { reason: "" });
  list.blocks.close();
  list.blocks.close();
  assertEquals(list.clock.timers, 0);
  for (const call of ["block", "recordViolation", "unblock"] as const) {
    const error = await assertRejects(
      () => list.blocks[call]({ key: "k" }, { reason: "" }),
      SecurityError,
    );
    assertEquals(error.code, "closed");
  }
  assertThrows(() => list.blocks.restore({}), SecurityError);
  assert(list.blocks.isBlocked({ key: "k" }) !== undefined);
  list.clock.advance(10 * MINUTE);
  assertEquals(list.blocks.isBlocked({ key: "k" }), undefined);
});

Deno.test("BlockList works on the clocks of the machine, and leaves no timer", async () => {
  using blocks = new BlockList();
  await blocks.block({ key: "k" }, { reason: "", forMs: 86_400_000 });
  assert(blocks.isBlocked({ key: "k" })!.retryAfterMs > 86_390_000);
});
