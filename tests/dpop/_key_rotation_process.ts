/**
 * One machine of a leader election: `tests/dpop/_key_rotation_process.ts <path of the database>`. For each
 * line of standard input, a time in milliseconds since the epoch, it says which key signs then.
 */

import { createKeyRotation, type KeyRotation } from "../../src/dpop/key_rotation.ts";
import { KvKeyStore } from "../../src/dpop/kv_key_store.ts";

const kv = await Deno.openKv(Deno.args[0]);
const store = new KvKeyStore(kv, { sealKeys: [new Uint8Array(32).fill(7)] });
let nowMs = 0;
let rotation: KeyRotation | undefined;
console.log("ready");

let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    nowMs = Number(line);
    rotation ??= await createKeyRotation({
      store,
      rotateEverySeconds: 3600,
      overlapSeconds: 7200,
      announceSeconds: 0,
      now: () => nowMs,
      timers: { set: () => undefined, clear: () => {} },
      storeTimeoutMs: 20_000,
    });
    console.log((await rotation.current()).jkt);
  }
}
await rotation?.close();
kv.close();
