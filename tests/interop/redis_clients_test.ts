/** RedisReplayStore through every client, against a server that races, stops, dies and comes back. */

import { assert, assertEquals, assertGreater, assertInstanceOf, assertLess } from "@std/assert";
import { encodeBase64Url } from "../../src/_internal/base64url.ts";
import { SecurityError } from "../../src/errors.ts";
import { RedisReplayStore } from "../../src/dpop/redis_replay_store.ts";
import { hasOpenssl, hasRedis, RedisServer } from "../dpop/redis_server.ts";
import {
  type ClientName,
  CLIENTS,
  type OpenClient,
  openClient,
  openCluster,
} from "./redis_clients.ts";

const MODES = ["plain", "bucketed"] as const;
const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];
const ignore = !hasRedis;

function newKey(): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)));
}

function expiry(): number {
  return Date.now() / 1000 + 360;
}

/** Adds; a refusal has to be the one for a store that is out of reach. */
async function tryAdd(store: RedisReplayStore, key: string): Promise<boolean | "refused"> {
  try {
    return await store.add(key, expiry());
  } catch (error) {
    assertInstanceOf(error, SecurityError);
    assertEquals(error.code, "replay-store-unavailable");
    return "refused";
  }
}

/** Adds until there is an answer: recovery needs nobody's help. */
async function addOnceBack(store: RedisReplayStore, key: string): Promise<boolean> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const answer = await tryAdd(store, key);
    if (answer !== "refused") return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the store did not recover");
}

/** Whether each of the two modes accepts a proof once, through one client, with and without an adapter. */
async function acceptsOnce({ command, lambda }: OpenClient): Promise<void> {
  for (const [mode, send] of MODES.flatMap((mode) => [[mode, command], [mode, lambda]] as const)) {
    const store = new RedisReplayStore(send, { mode, timeoutMs: 5000 });
    const keys = Array.from({ length: 50 }, newKey);
    for (const expected of [true, false]) {
      for (const key of keys) assertEquals(await store.add(key, expiry()), expected);
    }
  }
}

const RACER = new URL("_redis_race_child.ts", import.meta.url).href;

for (const [mode, proofs] of [["plain", 10_000], ["bucketed", 2_000]] as const) {
  Deno.test({
    name:
      `RedisReplayStore.add() accepts each of ${proofs} proofs once when 8 processes race (${mode})`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      const children = Array.from({ length: 8 }, (_, at) =>
        new Deno.Command("deno", {
          args: [
            ...["run", "-q", "--no-prompt", "--no-check", "--allow-read", "--allow-env"],
            ...["--allow-sys", "--allow-net=127.0.0.1", RACER],
            ...[CLIENTS[at % CLIENTS.length] ?? "redis", `${server.port}`, mode, `${proofs}`],
          ],
          stdin: "piped",
          stdout: "piped",
          stderr: "inherit",
        }).spawn());
      const outputs = children.map((child) =>
        child.stdout.pipeThrough(new TextDecoderStream()).getReader()
      );
      // All start together, once the slowest is ready.
      for (const output of outputs) assertEquals((await output.read()).value, "ready\n");
      for (const { stdin } of children) {
        const writer = stdin.getWriter();
        await writer.write(new Uint8Array(1));
        await writer.close();
      }
      const accepted = new Uint8Array(proofs);
      let winners = 0;
      await Promise.all(outputs.map(async (output, at) => {
        let text = "";
        for (let part = await output.read(); !part.done; part = await output.read()) {
          text += part.value;
        }
        assert((await children[at]?.status)?.success);
        const own: unknown = JSON.parse(text);
        assert(Array.isArray(own));
        if (own.length > 0) winners++;
        for (const index of own) accepted[index] = (accepted[index] ?? 0) + 1;
      }));
      assertEquals(accepted.filter((times) => times !== 1).length, 0);
      assertGreater(winners, 1, "they did not race");
    },
  });
}

for (const name of CLIENTS) testClient(name);

function testClient(name: ClientName): void {
  Deno.test({
    name: `RedisReplayStore.add() accepts a proof once through ${name}`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      const client = await openClient(name, server);
      try {
        await acceptsOnce(client);
      } finally {
        client.close();
      }
    },
  });

  Deno.test({
    name: `RedisReplayStore.add() accepts a proof once through ${name}, over TLS`,
    ignore: !hasOpenssl,
    async fn() {
      await using server = await RedisServer.start({ tls: true });
      const ca = await Deno.readTextFile(`${server.dir}/ca.pem`);
      const client = await openClient(name, { port: server.tlsPort, ca });
      try {
        await acceptsOnce(client);
      } finally {
        client.close();
      }
    },
  });

  Deno.test({
    name: `RedisReplayStore.add() accepts a proof once through ${name}, in a cluster of two`,
    ignore,
    async fn() {
      await using first = await RedisServer.startNode();
      await using second = await RedisServer.startNode();
      await RedisServer.join(first, second);
      const client = await openCluster(name, first);
      try {
        await acceptsOnce(client);
        for (const node of [first, second]) {
          using direct = await node.connect();
          assertGreater(Number(await direct.command("DBSIZE")), 10);
        }
      } finally {
        client.close();
      }
    },
  });

  Deno.test({
    name:
      `RedisReplayStore.add() refuses in time while ${name} waits for a stopped server, and recovers`,
    ignore,
    async fn() {
      await using server = await RedisServer.start();
      const client = await openClient(name, server);
      try {
        const timeoutMs = 200;
        const store = new RedisReplayStore(client.command, { timeoutMs });
        assertEquals(await store.add(newKey(), expiry()), true);

        server.suspend();
        // The control: without the store's deadline there is no answer while the server is stopped.
        let answered = false;
        const bare = client.command("PING").then(() => answered = true);
        const keys = Array.from({ length: 20 }, newKey);
        const start = performance.now();
        const refused = await Promise.all(keys.map((key) => tryAdd(store, key)));
        assertLess(performance.now() - start, timeoutMs + 1000);
        assertEquals(refused, keys.map(() => "refused"));
        assertEquals(answered, false);

        server.resume();
        assertEquals(await addOnceBack(store, newKey()), true);
        await bare;
        // What arrived after its time has burned its proof: nobody else gets in with a copy.
        for (const key of keys) assertEquals(await addOnceBack(store, key), false);
      } finally {
        server.resume();
        client.close();
      }
    },
  });

  Deno.test({
    name: `RedisReplayStore.add() accepts nothing twice through ${name} when the server is killed`,
    ignore,
    async fn() {
      await using server = await RedisServer.start({ args: DURABLE });
      const client = await openClient(name, server);
      try {
        const keys = Array.from({ length: 600 }, newKey);
        const accepted = new Map(keys.map((key) => [key, 0]));
        const count = (key: string, answer: boolean | "refused") => {
          if (answer === true) accepted.set(key, (accepted.get(key) ?? 0) + 1);
          return answer;
        };
        const stores = MODES.map((mode) =>
          new RedisReplayStore(client.command, { mode, timeoutMs: 200 })
        );
        for (const [at, key] of keys.entries()) {
          const store = stores[at % 2]!;
          const copies = [0, 1, 2].map(async () => count(key, await tryAdd(store, key)));
          // In the middle, with commands under way.
          if (at === 300) await server.kill();
          const answers = await Promise.all(copies);
          if (at === 302) {
            assertEquals(answers, ["refused", "refused", "refused"]);
            await server.restart();
          }
        }
        for (const [at, key] of keys.entries()) {
          const store = stores[at % 2]!;
          count(key, await addOnceBack(store, key));
          assertEquals(await addOnceBack(store, key), false);
        }
        const times = [...accepted.values()];
        assertEquals(times.filter((each) => each > 1).length, 0);
        // A proof is lost only where it was under way while the server was away.
        assertGreater(times.filter((each) => each === 1).length, 500);
      } finally {
        client.close();
      }
    },
  });
}

Deno.test({
  name: "control: a server that writes nothing down accepts a proof again after a restart",
  ignore,
  async fn() {
    await using server = await RedisServer.start();
    const client = await openClient("redis", server);
    try {
      const store = new RedisReplayStore(client.command, { timeoutMs: 500 });
      const key = newKey();
      assertEquals(await store.add(key, expiry()), true);
      await server.kill();
      await server.restart();
      assertEquals(await addOnceBack(store, key), true);
    } finally {
      client.close();
    }
  },
});
