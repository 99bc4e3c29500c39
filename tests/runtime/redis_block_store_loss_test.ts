import { assert, assertEquals } from "@std/assert";
import type { RedisCommand } from "../../src/_internal/redis_command.ts";
import { hasRedis, RedisServer } from "../dpop/redis_server.ts";
import { machine } from "./_block_machine.ts";

const MINUTE = 60_000;

function ignoring(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasRedis, fn });
}

ignoring(
  "RedisBlockStore keeps what is known while Redis is dead, and fills it when it is back",
  async () => {
    await using server = await RedisServer.start();
    const options = { store: { timeoutMs: 2000 } };
    let client = await server.connect();
    const command: RedisCommand = (...words) => client.command(...words);
    using first = machine(command, options);
    using second = machine(command, options);
    await first.blocks.block({ key: "before" }, { reason: "" });
    await second.blocks.refresh();

    await server.kill();
    client[Symbol.dispose]();
    await second.blocks.block({ key: "meanwhile" }, { reason: "" });
    for (let count = 0; count < 3; count++) {
      second.clock.advance(1000);
      await second.blocks.refresh();
    }
    for (const key of ["before", "meanwhile"]) {
      assert(second.blocks.isBlocked({ key }) !== undefined, key);
    }
    assertEquals(second.operations().filter((text) => text.startsWith("store")), ["store error"]);

    // Without its data: nothing was saved.
    await server.restart();
    client = await server.connect();
    await second.blocks.refresh();
    await first.blocks.refresh();
    assert(first.blocks.isBlocked({ key: "meanwhile" }) !== undefined);
    assertEquals(second.operations().filter((text) => text.startsWith("store")), [
      "store error",
      "store success",
    ]);
    using third = machine(command, options);
    await third.blocks.refresh();
    for (const key of ["before", "meanwhile"]) {
      assert(third.blocks.isBlocked({ key }) !== undefined, key);
    }
    client[Symbol.dispose]();
  },
);

ignoring("RedisBlockStore sees that Redis came back with older data", async () => {
  // Whoever asks or writes first after the restart; and more may have been written since than was lost.
  for (const writes of [0, 1, 20]) {
    await using server = await RedisServer.start();
    let client = await server.connect();
    const command: RedisCommand = (...words) => client.command(...words);
    using first = machine(command);
    using second = machine(command);
    await first.blocks.block({ key: "saved" }, { reason: "" });
    await client.command("SAVE");
    for (let at = 0; at < 8; at++) await first.blocks.block({ key: `lost ${at}` }, { reason: "" });
    await first.blocks.refresh();
    await second.blocks.refresh();
    await server.kill();
    client[Symbol.dispose]();
    await server.restart();
    client = await server.connect();
    for (let at = 0; at < writes; at++) {
      await first.blocks.block({ key: `new ${at}` }, { reason: "" });
    }
    for (let count = 0; count < 2; count++) {
      await second.blocks.refresh();
      await first.blocks.refresh();
    }
    using third = machine(command);
    await third.blocks.refresh();
    const sizes = [first, second, third].map(({ blocks }) => blocks.size);
    assertEquals(sizes, Array(3).fill(9 + writes));
    // And then all is quiet again.
    const version = await client.command("HGET", "{blocks}:meta", "version");
    await first.blocks.refresh();
    await second.blocks.refresh();
    assertEquals(await client.command("HGET", "{blocks}:meta", "version"), version);
    client[Symbol.dispose]();
  }
});

ignoring("RedisBlockStore prolongs a block whose end Redis has forgotten", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  using first = machine(client.command);
  await first.blocks.block({ key: "k" }, { reason: "", forMs: MINUTE });
  await client.command("DEL", "{blocks}:ends");
  await first.blocks.block({ key: "k" }, { reason: "", forMs: 60 * MINUTE });
  assertEquals(first.operations(), ["block success", "block success"]);
  using second = machine(client.command);
  await second.blocks.refresh();
  assert(second.blocks.isBlocked({ key: "k" }) !== undefined);
});
