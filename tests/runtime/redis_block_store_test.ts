import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import type { RedisCommand } from "../../src/_internal/redis_command.ts";
import { CHANGES_SCRIPT, PUT_SCRIPT } from "../../src/runtime/_block_scripts.ts";
import { BlockList } from "../../src/runtime/block_list.ts";
import { RedisBlockStore } from "../../src/runtime/redis_block_store.ts";
import { hasRedis, RedisServer } from "../dpop/redis_server.ts";
import { machine } from "./_block_machine.ts";

const MINUTE = 60_000;
const { signal } = new AbortController();
const keys = ["4", "{blocks}:meta", "{blocks}:records", "{blocks}:versions", "{blocks}:ends"];

async function until(condition: () => boolean, withinMs = 10_000): Promise<number> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > withinMs) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - start;
}

function ignoring(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasRedis, fn });
}

Deno.test("RedisBlockStore names its scripts by their hashes", async () => {
  for (const { text, sha1 } of [PUT_SCRIPT, CHANGES_SCRIPT]) {
    const hash = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
    assertEquals(new Uint8Array(hash).toHex(), sha1);
  }
});

ignoring("RedisBlockStore makes every machine block what one has seen, within pollMs", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  const store = () => new RedisBlockStore(client.command, { pollMs: 100 });
  using first = new BlockList({ store: store() });
  using second = new BlockList({ store: store() });
  // The control: without a store, a block is known to one machine alone.
  using alone = new BlockList();
  await first.refresh();
  await second.refresh();
  const query = { source: "203.0.113.7" };
  await first.block({ network: "203.0.113.0/24" }, { reason: "scan" });
  const tookMs = await until(() => second.isBlocked(query) !== undefined);
  assert(tookMs < 5000, `${tookMs}`);
  assertEquals(second.isBlocked(query)?.reason, "scan");
  assert(second.isBlocked(query)!.retryAfterMs > 10 * MINUTE - 5000);
  assertEquals(alone.isBlocked(query), undefined);
  await second.unblock({ network: "203.0.113.0/24" });
  await until(() => first.isBlocked(query) === undefined);
});

ignoring("RedisBlockStore asks Redis for nothing on behalf of a request", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  let commands = 0;
  const counted: RedisCommand = (...words) => {
    commands++;
    return client.command(...words);
  };
  using one = machine(counted);
  await one.blocks.refresh();
  await one.blocks.block({ key: "k" }, { reason: "" });
  const before = commands;
  for (let count = 0; count < 1000; count++) {
    one.blocks.isBlocked({ key: "k", source: "192.0.2.1" });
  }
  assertEquals(commands, before);
  one.clock.advance(999);
  assertEquals(commands, before);
  one.clock.advance(1);
  await one.blocks.refresh();
  assertEquals(commands, before + 1);
});

ignoring("RedisBlockStore shares back-off, prolonging and lifting", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  using first = machine(client.command);
  using second = machine(client.command);
  const target = { principal: "mallory", source: "2001:db8::1" };
  const query = { principal: "mallory", source: "2001:db8::2" };
  const both = async () => {
    await first.blocks.refresh();
    await second.blocks.refresh();
  };
  await both();
  await first.blocks.block(target, { reason: "one", forMs: MINUTE });
  await both();
  assertEquals(second.blocks.isBlocked(query)?.reason, "one");
  await second.blocks.block(target, { reason: "two", forMs: 60 * MINUTE });
  await both();
  assert(first.blocks.isBlocked(query)!.retryAfterMs > 59 * MINUTE);
  // Both had it; a shorter one by somebody who has not heard of it shortens nothing.
  using third = machine(client.command);
  await third.blocks.block(target, { reason: "three", forMs: MINUTE });
  await third.blocks.refresh();
  await both();
  for (const { blocks } of [first, second, third]) {
    assert(blocks.isBlocked(query)!.retryAfterMs > 59 * MINUTE);
  }
  await first.blocks.unblock(target);
  await both();
  await third.blocks.refresh();
  for (const { blocks } of [first, second, third]) assertEquals(blocks.isBlocked(query), undefined);
  // It is known everywhere that there were blocks.
  const again = await third.blocks.block(target, { reason: "again" });
  assert(again!.retryAfterMs >= 20 * MINUTE, `${again!.retryAfterMs}`);
  assertEquals(first.operations().filter((text) => text !== "block success"), ["unblock success"]);
  assertEquals(second.operations().filter((text) => text.startsWith("unblock")), [
    "unblock success",
  ]);
});

ignoring(
  "RedisBlockStore brings a new machine up to date, however many blocks there are",
  async () => {
    await using server = await RedisServer.start();
    using client = await server.connect();
    using first = machine(client.command);
    await first.blocks.refresh();
    await Promise.all(
      Array.from({ length: 1234 }, (_, at) => first.blocks.block({ key: `${at}` }, { reason: "" })),
    );
    using second = machine(client.command);
    await second.blocks.refresh();
    assertEquals(second.blocks.size, 1234);
    // Its allow list is its own.
    using third = machine(client.command, { allow: [{ key: "7" }], capacity: 1000 });
    await third.blocks.refresh();
    assertEquals([third.blocks.size, third.blocks.isBlocked({ key: "7" })], [1000, undefined]);
  },
);

ignoring("RedisBlockStore hears of what happens after Redis was emptied", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  using first = machine(client.command);
  using second = machine(client.command);
  for (let at = 0; at < 5; at++) await first.blocks.block({ key: `${at}` }, { reason: "" });
  await first.blocks.refresh();
  await second.blocks.refresh();
  await client.command("FLUSHALL");
  // Versions begin anew, and are past those that were seen: nobody may take them for known.
  for (let at = 10; at < 30; at++) await first.blocks.block({ key: `${at}` }, { reason: "" });
  await second.blocks.refresh();
  assertEquals(second.blocks.size, 25);
  await client.command("SCRIPT", "FLUSH");
  await second.blocks.block({ key: "x" }, { reason: "" });
  await first.blocks.refresh();
  assert(first.blocks.isBlocked({ key: "x" }) !== undefined);
});

ignoring(
  "RedisBlockStore lifts later what it could not lift at once, and no longer block with it",
  async () => {
    await using server = await RedisServer.start();
    using client = await server.connect();
    let isAway = false;
    const command: RedisCommand = (...words) =>
      isAway ? Promise.reject(new Error("away")) : client.command(...words);
    using first = machine(command);
    using second = machine(client.command);
    await first.blocks.block({ key: "lifted" }, { reason: "" });
    await second.blocks.refresh();
    isAway = true;
    assertEquals(await first.blocks.unblock({ key: "lifted" }), true);
    await first.blocks.block({ key: "short" }, { reason: "", forMs: 1000 });
    first.clock.advance(1000);
    await first.blocks.refresh();
    await second.blocks.block({ key: "short" }, { reason: "", forMs: 60 * MINUTE });
    assert(second.blocks.isBlocked({ key: "lifted" }) !== undefined);
    isAway = false;
    await first.blocks.refresh();
    await second.blocks.refresh();
    assertEquals(second.blocks.isBlocked({ key: "lifted" }), undefined);
    assert(second.blocks.isBlocked({ key: "short" }) !== undefined);
    assert(first.blocks.isBlocked({ key: "short" }) !== undefined);
  },
);

ignoring("RedisBlockStore does not wait for a Redis that hangs", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  using one = machine(client.command, { store: { timeoutMs: 100 } });
  await one.blocks.refresh();
  server.suspend();
  const start = performance.now();
  await one.blocks.block({ key: "k" }, { reason: "" });
  await one.blocks.refresh();
  const tookMs = performance.now() - start;
  server.resume();
  assert(tookMs >= 100 && tookMs < 5000, `${tookMs}`);
  assert(one.blocks.isBlocked({ key: "k" }) !== undefined);
  assertEquals(one.operations(), ["block success", "store error"]);
});

ignoring("RedisBlockStore bounds what it keeps, and forgets what is over", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  const store = new RedisBlockStore(client.command, { capacity: 10 });
  const put = (key: string, remainingMs: number) =>
    store.put(`k:${key}`, { target: { key }, reason: "", level: 0, remainingMs }, { signal });
  await put("long", 60 * MINUTE);
  for (let at = 0; at < 50; at++) await put(`${at}`, MINUTE + at);
  for (
    const [command, key] of [["HLEN", keys[2]!], ["ZCARD", keys[3]!], ["ZCARD", keys[4]!]] as const
  ) {
    assertEquals(await client.command(command, key), 10);
  }
  const { blocks } = await store.changes(undefined, { signal });
  assertEquals(blocks.map(({ target }) => target.key).sort().slice(0, 2), ["41", "42"]);
  assert(blocks.some(({ target }) => target.key === "long"));
  await put("brief", 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await put("next", MINUTE);
  const after = await store.changes(undefined, { signal });
  assert(!after.blocks.some(({ target }) => target.key === "brief"));
  assertEquals(await client.command("HEXISTS", keys[2]!, "k:brief"), 0);
});

ignoring("RedisBlockStore leaves out what somebody else has written, once told", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  using first = machine(client.command);
  await first.blocks.block({ key: "good" }, { reason: "" });
  const records = [
    ...["", "+", "+{}", "+null", '+{"target":{"key":7},"reason":"","level":0}'],
    '+{"target":{"network":"10.0.0.1/8"},"reason":"","level":0}',
    '+{"target":{"key":"x"},"reason":7,"level":0}',
    '+{"target":{"key":"x"},"reason":"","level":1e9}',
    `+{"target":{"key":"x"},"reason":"${"r".repeat(300)}","level":0}`,
  ];
  for (const [at, record] of records.entries()) {
    await client.command(
      "EVAL",
      PUT_SCRIPT.text,
      ...keys,
      "epoch",
      `x${at}`,
      record,
      "100000",
      "1000",
    );
  }
  await first.blocks.block({ key: "later" }, { reason: "" });
  using second = machine(client.command);
  await second.blocks.refresh();
  assertEquals(second.blocks.size, 2);
  assertEquals(second.reasons().filter((reason) => reason === "unreadable").length, 1);
});

Deno.test("RedisBlockStore takes no reply for an answer that is none", async () => {
  const replies: readonly unknown[] = [
    ...[null, undefined, "OK", 7, [], ["epoch"], ["epoch", "x", "0"], ["epoch", "-1", "0"]],
    [null, "1", "0"],
    new Error("ERR"),
  ];
  for (const reply of replies) {
    const command = () => reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply);
    const store = new RedisBlockStore(command);
    const error = await assertRejects(() => store.changes(undefined, { signal }), SecurityError);
    assertEquals(error.code, "limiter-unavailable");
    using one = machine(command);
    await one.blocks.refresh();
    assertEquals(one.operations(), ["store error"]);
  }
  const store = new RedisBlockStore(() => Promise.resolve("QUEUED"));
  const block = { target: { key: "k" }, reason: "", level: 0, remainingMs: 1 };
  await assertRejects(() => store.put("k:k", block, { signal }), SecurityError);
});

Deno.test("RedisBlockStore refuses wrong options", () => {
  const command = () => Promise.resolve(null);
  for (const wrong of [0, -1, NaN, Infinity, 0.5, 2 ** 31]) {
    for (const name of ["timeoutMs", "pollMs", "capacity"]) {
      assertThrows(() => new RedisBlockStore(command, { [name]: wrong }), RangeError);
    }
  }
  for (const prefix of ["", "{a}", 7 as unknown as string]) {
    assertThrows(() => new RedisBlockStore(command, { prefix }), TypeError);
  }
  assertThrows(() => new RedisBlockStore(null as unknown as RedisCommand), TypeError);
});
