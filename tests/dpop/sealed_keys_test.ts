import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { importPrivateKey, KeySealer, type SealedName } from "../../src/dpop/_sealed_keys.ts";
import { SecurityError } from "../../src/errors.ts";

const SECRET = new Uint8Array(32).fill(7);
const NAME: SealedName = { jkt: "jkt", alg: "ES256", place: ["keys", "jkt"] };
const TIMES = { createdAtMs: 1.5, signsFromMs: 2, retiresAtMs: 3, deletesAtMs: 2 ** 52 };
const KEY = Uint8Array.of(1, 2, 3);

Deno.test("KeySealer opens what it sealed, and never seals the same way twice", async () => {
  const sealer = new KeySealer([SECRET]);
  const sealed = await sealer.seal(KEY, TIMES, NAME);
  assertEquals(await sealer.open(sealed, NAME), { ...TIMES, pkcs8: KEY });
  assertNotEquals(await sealer.seal(KEY, TIMES, NAME), sealed);
});

Deno.test("KeySealer opens under the same name only", async () => {
  const sealer = new KeySealer([SECRET]);
  const sealed = await sealer.seal(KEY, TIMES, NAME);
  const others: readonly SealedName[] = [
    { ...NAME, jkt: "other" },
    { ...NAME, alg: "ES384" },
    { ...NAME, place: ["other", "jkt"] },
    { ...NAME, place: ["keys,jkt"] },
  ];
  for (const other of others) {
    const error = await assertRejects(() => sealer.open(sealed, other), SecurityError);
    assertEquals(error.code, "key-invalid");
  }
});

Deno.test("KeySealer opens no changed byte and nothing cut short", async () => {
  const sealer = new KeySealer([SECRET]);
  const sealed = await sealer.seal(KEY, TIMES, NAME);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ 128;
    await assertRejects(() => sealer.open(changed, NAME), SecurityError);
    await assertRejects(() => sealer.open(sealed.subarray(0, at), NAME), SecurityError);
  }
});

Deno.test("KeySealer opens a text in its place only, and never as a key", async () => {
  const sealer = new KeySealer([SECRET]);
  const sealed = await sealer.sealText("text", ["keys", "set"]);
  assertEquals(await sealer.openText(sealed, ["keys", "set"]), "text");
  await assertRejects(() => sealer.openText(sealed, ["other", "set"]), SecurityError);
  const alike: SealedName = { jkt: "keys", alg: "ES256", place: ["set"] };
  await assertRejects(() => sealer.open(sealed, alike), SecurityError);
  const key = await sealer.seal(KEY, TIMES, alike);
  await assertRejects(() => sealer.openText(key, ["keys", "ES256", "set"]), SecurityError);
});

Deno.test("importPrivateKey() overwrites what it was given", async () => {
  const pkcs8 = KEY.slice();
  const error = await assertRejects(() => importPrivateKey(pkcs8, "ES256"), SecurityError);
  assertEquals([error.code, pkcs8], ["key-invalid", new Uint8Array(3)]);
});
