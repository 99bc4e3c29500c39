import { assertEquals, assertStrictEquals } from "@std/assert";
import { createHash, hash } from "node:crypto";
import { decodeBase64, encodeBase64, isHash } from "../../src/events/_hash.ts";

interface Process {
  getBuiltinModule: ((name: string) => unknown) | undefined;
}

/** What other runtimes do not have. */
const RUNTIMES: Readonly<Record<string, { readonly crypto: unknown; readonly hasHex: boolean }>> = {
  "all there is": { crypto: { hash, createHash }, hasHex: true },
  "no hexadecimal in arrays": { crypto: { hash, createHash }, hasHex: false },
  "no hash in one call": { crypto: { createHash }, hasHex: true },
  "no node:crypto": { crypto: undefined, hasHex: true },
};

Deno.test("hashText() gives the same hash with whatever a runtime has", async () => {
  const { process } = globalThis as unknown as { process: Process };
  const { getBuiltinModule } = process;
  const hex = Object.getOwnPropertyDescriptor(Uint8Array.prototype, "setFromHex");
  const texts = ["", "abc", "é\u{1f600}\0", "x".repeat(5000)];
  for (const [name, { crypto, hasHex }] of Object.entries(RUNTIMES)) {
    try {
      process.getBuiltinModule = () => crypto;
      if (!hasHex) Reflect.deleteProperty(Uint8Array.prototype, "setFromHex");
      // It looks once, so that each has a module of its own.
      const url = new URL(`../../src/events/_hash.ts?${encodeURIComponent(name)}`, import.meta.url);
      const { hashText } = await import(url.href);
      for (const text of texts) {
        assertEquals(hashText(text), createHash("sha256").update(text).digest("base64"), name);
      }
    } finally {
      process.getBuiltinModule = getBuiltinModule;
      if (hex !== undefined) Object.defineProperty(Uint8Array.prototype, "setFromHex", hex);
    }
  }
});

Deno.test("isHash() and decodeBase64() take one spelling only", () => {
  const text = encodeBase64(new Uint8Array(32).fill(255));
  assertStrictEquals(isHash(text), true);
  assertEquals(decodeBase64(text), new Uint8Array(32).fill(255));
  for (const other of [text.slice(0, -1), `${text.slice(0, -2)}9=`, ` ${text}`, "", "=", "é"]) {
    assertStrictEquals(isHash(other), false, other);
    if (other !== "") assertEquals(decodeBase64(other), undefined, other);
  }
});
