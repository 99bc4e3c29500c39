import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import {
  fromIoredis,
  fromIovalkey,
  fromRedis,
  type IoredisLike,
  type RedisClientLike,
} from "../../src/_internal/redis_adapters.ts";
import { evalRedis, sendRedis } from "../../src/_internal/redis_send.ts";
import { hasOpenssl, hasRedis, RedisServer } from "../dpop/redis_server.ts";
import {
  type ClientName,
  CLIENTS,
  type OpenClient,
  openClient,
  openCluster,
} from "../interop/redis_clients.ts";

const ignore = !hasRedis;
const ADAPTERS = { redis: "fromRedis", ioredis: "fromIoredis", iovalkey: "fromIovalkey" } as const;
const SCRIPT = {
  text: "return redis.call('INCR', KEYS[1]) + ARGV[1]",
  sha1: "ee4aa868df45d0744a52950e73e37f9b0c0a243e",
};

/** Commands of every kind that stores send, and what they answer. */
async function talks({ command, lambda }: OpenClient): Promise<void> {
  for (const [at, send] of [command, lambda].entries()) {
    const key = (name: string) => `${name}:${at}`;
    const { signal } = new AbortController();
    for (let round = 0; round < 20; round++) {
      const name = key(`k${round}`);
      assertEquals(await sendRedis(send, ["SET", name, "é\r\n", "NX", "PX", "60000"]), "OK");
      assertEquals(await sendRedis(send, ["SET", name, "2", "NX"], { signal }), null);
      assertEquals(await sendRedis(send, ["GET", name], { signal }), "é\r\n");
      const reply = await evalRedis(send, SCRIPT, ["1", key(`n${round}`), "10"], { signal });
      assertEquals(Number(reply), 11);
    }
    await assertRejects(() => sendRedis(send, ["INCR", key("k0")]), Error, "not an integer");
  }
  // An adapter can be called like a function of one's own.
  assertEquals(await command("GET", "k0:0"), "é\r\n");
}

/** Nothing is sent for somebody who has gone. */
async function dropsAborted({ command }: OpenClient): Promise<void> {
  const signal = AbortSignal.abort(new Error("gone"));
  await assertRejects(() => sendRedis(command, ["SET", "gone", "1"], { signal }), Error, "gone");
  assertEquals(await command("GET", "gone"), null);
  // Nor does it matter that somebody goes after the reply.
  const controller = new AbortController();
  assertEquals(await sendRedis(command, ["SET", "here", "1"], controller), "OK");
  controller.abort();
  assertEquals(await command("GET", "here"), "1");
}

for (const name of CLIENTS) testClient(name);

function testClient(name: ClientName): void {
  Deno.test({
    name: `${ADAPTERS[name]}() sends commands over TCP, and none for an aborted signal`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      const client = await openClient(name, server);
      try {
        await talks(client);
        await dropsAborted(client);
      } finally {
        client.close();
      }
    },
  });

  Deno.test({
    name: `${ADAPTERS[name]}() sends commands over TLS, and none for an aborted signal`,
    ignore: !hasOpenssl,
    async fn() {
      await using server = await RedisServer.start({ tls: true });
      const ca = await Deno.readTextFile(`${server.dir}/ca.pem`);
      const client = await openClient(name, { port: server.tlsPort, ca });
      try {
        await talks(client);
        await dropsAborted(client);
      } finally {
        client.close();
      }
    },
  });

  Deno.test({
    name: `${ADAPTERS[name]}() sends commands to the nodes of a cluster that have the keys`,
    ignore,
    async fn() {
      await using first = await RedisServer.startNode();
      await using second = await RedisServer.startNode();
      await RedisServer.join(first, second);
      const client = await openCluster(name, first);
      try {
        await talks(client);
        await dropsAborted(client);
        for (const node of [first, second]) {
          using direct = await node.connect();
          assertGreater(Number(await direct.command("DBSIZE")), 5);
        }
      } finally {
        client.close();
      }
    },
  });
}

Deno.test({
  name: "fromRedis() takes out of the queue what nobody waits for while the server is away",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    const client = await openClient("redis", server);
    try {
      await server.kill();
      while (true) {
        // Until the client has noticed.
        const probe = new AbortController();
        const sent = sendRedis(client.command, ["PING"], probe).then(() => true, () => false);
        queueMicrotask(() => probe.abort());
        if (!await sent) break;
      }
      const controller = new AbortController();
      const dropped = sendRedis(client.command, ["SET", "dropped", "1"], controller);
      const kept = client.lambda("SET", "kept", "1");
      controller.abort();
      await assertRejects(() => dropped, Error);
      await server.restart();
      assertEquals(await kept, "OK");
      // The control: what was not taken out is done late.
      assertEquals(await client.command("GET", "kept"), "1");
      assertEquals(await client.command("GET", "dropped"), null);
    } finally {
      client.close();
    }
  },
});

Deno.test("fromRedis() tells a cluster the key of each kind of command", async () => {
  const keys: unknown[] = [];
  const cluster = {
    nodeByAddress: new Map(),
    sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined) {
      keys.push(firstKey);
      assertEquals(isReadonly, false);
      return Promise.resolve("OK");
    },
  };
  const command = fromRedis(cluster);
  const cases: [string[], string | undefined][] = [
    [["SET", "k", "v"], "k"],
    [["get", "k"], "k"],
    [["DEL", "k", "l"], "k"],
    [["EVALSHA", "abc", "1", "k", "v"], "k"],
    [["eval", "return 1", "2", "k", "l"], "k"],
    [["EVAL", "return 1", "0", "v"], undefined],
    [["XREAD", "COUNT", "1", "STREAMS", "k", "0"], "k"],
    [["PING"], undefined],
    [["SCRIPT", "FLUSH"], undefined],
  ];
  for (const [[name = "", ...args], key] of cases) {
    await command(name, ...args);
    assertEquals([name, keys.pop()], [name, key]);
  }
});

Deno.test("sendRedis() hands options only to functions that take them", async () => {
  const calls: unknown[][] = [];
  const plain = (...words: string[]) => {
    calls.push(words);
    return Promise.resolve("OK");
  };
  const { signal } = new AbortController();
  const withOptions = Object.assign((...words: unknown[]) => {
    calls.push(words);
    return Promise.resolve("OK");
  }, { takesOptions: true } as const);
  await sendRedis(plain, ["GET", "k"], { signal });
  await sendRedis(withOptions, ["GET", "k"], { signal });
  await sendRedis(withOptions, ["GET", "k"]);
  assertEquals(calls, [["GET", "k"], ["GET", "k", { signal }], ["GET", "k", {}]]);
});

Deno.test("evalRedis() sends a script once more where it is not known, and for nobody who has gone", async () => {
  const sent: string[] = [];
  const controller = new AbortController();
  const command = (name: string) => {
    sent.push(name);
    if (sent.length > 2) controller.abort();
    return name === "EVAL" ? Promise.resolve(1) : Promise.reject(new Error("NOSCRIPT No script"));
  };
  const { signal } = controller;
  assertEquals(await evalRedis(command, SCRIPT, ["0"], { signal }), 1);
  assertEquals(sent, ["EVALSHA", "EVAL"]);
  await assertRejects(() => evalRedis(command, SCRIPT, ["0"], { signal }), Error, "NOSCRIPT");
  assertEquals(sent, ["EVALSHA", "EVAL", "EVALSHA"]);
});

Deno.test("adapters throw on what is no client", () => {
  for (const client of [undefined, null, 1, {}, { call: 1, sendCommand: 1 }]) {
    assertThrows(() => fromRedis(client as unknown as RedisClientLike), TypeError, "sendCommand");
    assertThrows(() => fromIoredis(client as unknown as IoredisLike), TypeError, "call");
    assertThrows(() => fromIovalkey(client as unknown as IoredisLike), TypeError, "call");
  }
  assert(fromIoredis({ call: () => Promise.resolve() }).takesOptions);
});
