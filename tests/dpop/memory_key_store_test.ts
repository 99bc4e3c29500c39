import { assertEquals } from "@std/assert";
import { MemoryKeyStore } from "../../src/dpop/memory_key_store.ts";

Deno.test("MemoryKeyStore replaces the newest set only", async () => {
  const store = new MemoryKeyStore();
  assertEquals(await store.load(), { keys: [], version: null });
  assertEquals(await store.replace([], "1"), false);
  assertEquals(await store.replace([], null), true);
  assertEquals(await store.replace([], null), false);
  const { version } = await store.load();
  const results = await Promise.all([store.replace([], version), store.replace([], version)]);
  assertEquals(results, [true, false]);
});
