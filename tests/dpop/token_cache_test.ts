import { assertEquals } from "@std/assert";
import { TokenCache } from "../../src/dpop/_token_cache.ts";

Deno.test("TokenCache forgets a token when the clock is set back to before it was stored", () => {
  const cache = new TokenCache<string>(2, 60);
  cache.set("token", "alice", 1_000_000);
  assertEquals(cache.get("token", 1_000_000), "alice");
  assertEquals(cache.get("token", 1_059_999), "alice");
  // An hour back: without this, a token that is revoked now would be good for 61 minutes.
  assertEquals(cache.get("token", 1_000_000 - 3_600_000), undefined);
  assertEquals(cache.get("token", 1_000_001), undefined);
});

Deno.test("TokenCache forgets a token at its end, whatever its own lifetime", () => {
  const cache = new TokenCache<string>(2, 60);
  cache.set("token", "alice", 1_000_000, 1010);
  assertEquals(cache.get("token", 1_009_999), "alice");
  assertEquals(cache.get("token", 1_010_000), undefined);
});
