import { assertEquals } from "@std/assert";
import { ClientNonces } from "../../src/dpop/_client_nonces.ts";

const ORIGIN = "https://api.example.com";

Deno.test("ClientNonces.learn() keeps the newest nonce of each origin", () => {
  const nonces = new ClientNonces(10);
  assertEquals(nonces.get(ORIGIN), undefined);
  assertEquals(nonces.learn(ORIGIN, "n1"), "n1");
  assertEquals(nonces.learn(ORIGIN, "n2"), "n2");
  assertEquals(nonces.learn("https://other.example.com", "n3"), "n3");
  assertEquals(nonces.get(ORIGIN), "n2");
});

Deno.test("ClientNonces.learn() takes no nonce that a proof should not carry", () => {
  const nonces = new ClientNonces(10);
  nonces.learn(ORIGIN, "good");
  const table = [null, "", "a b", "a, b", 'a"b', "a\\b", "a\u0000b", "a\nb", "é", "x".repeat(1025)];
  for (const hostile of table) {
    assertEquals(nonces.learn(ORIGIN, hostile), undefined, JSON.stringify(hostile));
    assertEquals(nonces.get(ORIGIN), "good");
  }
  const longest = "x".repeat(1024);
  assertEquals(nonces.learn(ORIGIN, longest), longest);
});

Deno.test("ClientNonces.learn() forgets the origin that was not used for longest", () => {
  const nonces = new ClientNonces(2);
  nonces.learn("https://a.example", "a");
  nonces.learn("https://b.example", "b");
  nonces.get("https://a.example");
  nonces.learn("https://c.example", "c");
  assertEquals(["a", "b", "c"].map((name) => nonces.get(`https://${name}.example`)), [
    "a",
    undefined,
    "c",
  ]);
});
