/**
 * One of the processes that race: adds the same proofs as all the others, in the same order, and prints
 * which of them it was the first to add. Arguments: client, port, mode, number of proofs.
 */

import { encodeBase64Url } from "../../src/_internal/base64url.ts";
import { sha256 } from "../../src/_internal/sha256.ts";
import { RedisReplayStore } from "../../src/dpop/redis_replay_store.ts";
import { CLIENTS, openClient } from "./redis_clients.ts";

const AT_ONCE = 100;

const [name, port, mode, count] = Deno.args;
const client = await openClient(CLIENTS.find((known) => known === name) ?? "redis", {
  port: Number(port),
});
const store = new RedisReplayStore(client.command, {
  mode: mode === "bucketed" ? "bucketed" : "plain",
  timeoutMs: 30_000,
});
const keys = Array.from(
  { length: Number(count) },
  (_, at) => encodeBase64Url(sha256(`proof ${at}`).subarray(0, 16)),
);

console.log("ready");
await Deno.stdin.read(new Uint8Array(1));

const expires = Date.now() / 1000 + 360;
const accepted: number[] = [];
let next = 0;
async function work(): Promise<void> {
  while (next < keys.length) {
    const at = next++;
    if (await store.add(keys[at] ?? "", expires)) accepted.push(at);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
client.close();
console.log(JSON.stringify(accepted));
