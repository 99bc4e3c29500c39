import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { createHmac } from "node:crypto";
import { epochMac, nextEpochKey } from "../../src/events/_epochs.ts";
import { epochKeyFile, generateEpochKey } from "../../src/events/epoch_keys.ts";
import { withFiles } from "./_audit_logs.ts";

Deno.test("generateEpochKey() makes another key each time", () => {
  assertEquals(generateEpochKey().length, 32);
  assertNotEquals(generateEpochKey(), generateEpochKey());
});

Deno.test("nextEpochKey() and epochMac() are HMAC-SHA-256 of what is documented", () => {
  const key = generateEpochKey();
  const hmac = (message: string) =>
    new Uint8Array(createHmac("sha256", key).update(message).digest());
  assertEquals(nextEpochKey(key), hmac("bartizan audit epoch"));
  assertEquals(epochMac(7, key, "text\n"), hmac("bartizan audit checkpoint\n7\ntext\n"));
});

Deno.test("epochKeyFile() keeps one state, in a file for its owner only", async () => {
  await withFiles({}, async (path, folder) => {
    const store = epochKeyFile(path("epoch.json"));
    assertEquals(await store.load(), undefined);
    const first = generateEpochKey();
    await store.save({ epoch: 0, key: first });
    assertEquals(await store.load(), { epoch: 0, key: first });
    const pending = [{ note: "n", epoch: 0, mac: "m" }];
    const next = { epoch: 1, key: nextEpochKey(first), pending };
    await store.save(next);
    assertEquals(await store.load(), next);
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(path("epoch.json"))).mode! & 0o777, 0o600);
    }
    const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assertEquals(names, ["epoch.json"]);
    // The key of the epoch before is nowhere in the file.
    assert(!(await Deno.readTextFile(path("epoch.json"))).includes(first.toBase64()));
  });
});

Deno.test("epochKeyFile().save() leaves the state and no other file when it fails", async () => {
  await withFiles({}, async (path, folder) => {
    await Deno.mkdir(path("epoch.json"));
    const store = epochKeyFile(path("epoch.json"));
    await assertRejects(() => store.save({ epoch: 0, key: generateEpochKey() }));
    const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assertEquals(names, ["epoch.json"]);
    await assertRejects(() => store.load());
  });
});

Deno.test("epochKeyFile() leaves no key behind that a crash kept from its place", async () => {
  const key = generateEpochKey();
  for (const use of ["load", "save"] as const) {
    await withFiles({}, async (path, folder) => {
      const store = epochKeyFile(path("epoch.json"));
      await store.save({ epoch: 0, key });
      // What is there when the program is killed between the write and the rename.
      await Deno.copyFile(path("epoch.json"), path("epoch.json.tmp"));
      if (use === "load") assertEquals((await store.load())?.epoch, 0);
      else await store.save({ epoch: 1, key });
      const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
      assertEquals(names, ["epoch.json"], use);
    });
  }
});

Deno.test({
  name: "epochKeyFile().save() writes through no link",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withFiles({ "victim": "safe" }, async (path) => {
      await Deno.symlink(path("victim"), path("epoch.json.tmp"));
      await epochKeyFile(path("epoch.json")).save({ epoch: 0, key: generateEpochKey() });
      assertEquals(await Deno.readTextFile(path("victim")), "safe");
      assertEquals((await Deno.lstat(path("epoch.json"))).isFile, true);
    });
  },
});

Deno.test("epochKeyFile().load() rejects when the file holds no state", async () => {
  const key = generateEpochKey().toBase64();
  const wrong = [
    "",
    "null",
    "[]",
    "x",
    JSON.stringify({ epoch: 0 }),
    JSON.stringify({ epoch: -1, key }),
    JSON.stringify({ epoch: "0", key }),
    JSON.stringify({ epoch: 2 ** 53, key }),
    JSON.stringify({ epoch: 0, key: key.slice(4) }),
    JSON.stringify({ epoch: 0, key, pending: 1 }),
    JSON.stringify({ epoch: 0, key, pending: [{ note: "n", epoch: 0 }] }),
    JSON.stringify({ epoch: 0, key, pending: [null] }),
  ];
  for (const content of wrong) {
    await withFiles({ "epoch.json": content }, async (path) => {
      await assertRejects(() => epochKeyFile(path("epoch.json")).load(), TypeError, "holds none");
    });
  }
});
