import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { rateKeyParts } from "../../src/runtime/_rate_key_parts.ts";
import { RateKey } from "../../src/runtime/rate_key.ts";

/** What a key is made of. */
type Parts =
  | { readonly principal: string }
  | { readonly kind: string; readonly value: string }
  | { readonly all: readonly Parts[] };

function build(parts: Parts): RateKey {
  if ("principal" in parts) return RateKey.principal(parts.principal);
  if ("kind" in parts) return RateKey.of(parts.kind, parts.value);
  return RateKey.composite(...parts.all.map(build));
}

// Few characters, among them those that keys are made of: collisions would be found.
const text = fc.string({
  unit: fc.constantFrom("a", "b", ":", "1", "2", "é", "\u{1F600}"),
  minLength: 1,
  maxLength: 8,
});
const { parts } = fc.letrec<{ parts: Parts; leaf: Parts; all: Parts }>((tie) => ({
  parts: fc.oneof({ depthSize: "small" }, tie("leaf"), tie("all")),
  leaf: fc.oneof(
    fc.record({ principal: text }),
    fc.record({ kind: fc.constantFrom("a", "b", "a1"), value: text }),
  ),
  all: fc.record({ all: fc.array(tie("parts"), { minLength: 1, maxLength: 3 }) }),
}));

Deno.test("RateKey makes different keys of different things", () => {
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      assertEquals(build(one) === build(other), JSON.stringify(one) === JSON.stringify(other));
    }),
    { seed: 6, numRuns: 5_000 },
  );
  // A value that is itself written like a key.
  fc.assert(
    fc.property(parts, (inner) => {
      const key = build(inner);
      assertNotEquals(RateKey.principal(key), RateKey.composite(key));
      assertNotEquals(RateKey.principal(key), key);
    }),
    { seed: 6 },
  );
});

Deno.test("control: keys that are joined with a colon collide", () => {
  const joined = (...parts: string[]) => parts.join(":");
  assertEquals(joined("a:b", "c"), joined("a", "b:c"));
  assertNotEquals(
    RateKey.composite(RateKey.principal("a:b"), RateKey.principal("c")),
    RateKey.composite(RateKey.principal("a"), RateKey.principal("b:c")),
  );
});

Deno.test("RateKey.source() puts together what one client has", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "source:9:192.0.2.1"],
    ["::ffff:192.0.2.1", "source:9:192.0.2.1"],
    ["::FFFF:c000:0201", "source:9:192.0.2.1"],
    ["2001:db8:0:1::5", "source:17:2001:db8:0:1::/64"],
    ["2001:DB8:0:1:ffff:ffff:ffff:ffff", "source:17:2001:db8:0:1::/64"],
    ["2001:db8:0:2::5", "source:17:2001:db8:0:2::/64"],
    ["fe80::1%eth0", "source:9:fe80::/64"],
    ["::1", "source:5:::/64"],
  ];
  for (const [address, key] of cases) assertEquals(`${RateKey.source(address)}`, key);
  assertEquals(
    `${RateKey.source("192.0.2.200", { ipv4PrefixLength: 24 })}`,
    "source:12:192.0.2.0/24",
  );
  assertEquals(
    `${RateKey.source("2001:db8:1:2::1", { ipv6PrefixLength: 48 })}`,
    "source:15:2001:db8:1::/48",
  );
  assertEquals(`${RateKey.source("::1", { ipv6PrefixLength: 128 })}`, "source:3:::1");
});

Deno.test("control: an IPv6 client has 2^64 addresses, and by the whole address each is another", () => {
  const addresses = Array.from({ length: 1_000 }, (_, at) => `2001:db8::${at.toString(16)}`);
  assertEquals(new Set(addresses.map((address) => RateKey.of("address", address))).size, 1_000);
  assertEquals(new Set(addresses.map((address) => RateKey.source(address))).size, 1);
});

Deno.test("RateKey throws on what makes no key", () => {
  const wrong = (value: unknown) => value as string & RateKey;
  const cases: [() => unknown, string][] = [
    ...["", "1.2.3", "01.2.3.4", "1.2.3.4:80", "[::1]", "localhost", " ::1", "::1\n", "0x7f.1"]
      .map((address): [() => unknown, string] => [() => RateKey.source(address), "IP address"]),
    [() => RateKey.source(wrong(undefined)), "IP address"],
    [() => RateKey.principal(""), "well-formed"],
    [() => RateKey.principal("\ud800"), "well-formed"],
    [() => RateKey.principal(wrong(7)), "well-formed"],
    [() => RateKey.composite(), "parts"],
    [() => RateKey.composite(wrong("alice")), "parts"],
    [() => RateKey.composite(wrong(7)), "parts"],
    ...["", "A", "1a", "a:b", "principal", "source", "composite", "a".repeat(33)]
      .map((kind): [() => unknown, string] => [() => RateKey.of(kind, "x"), "kind"]),
  ];
  for (const [make, message] of cases) assertThrows(make, TypeError, message);
  assertThrows(() => RateKey.source("::1", { ipv6PrefixLength: 129 }), RangeError);
  assertThrows(() => RateKey.source("1.1.1.1", { ipv4PrefixLength: 33 }), RangeError);
  assertThrows(() => RateKey.source("1.1.1.1", { ipv4PrefixLength: NaN }), RangeError);
});

Deno.test("rateKeyParts() finds the principal, and keeps everything else", () => {
  const source = RateKey.source("192.0.2.1");
  const tenant = RateKey.of("tenant", "principal:1:b");
  assertEquals(rateKeyParts(RateKey.principal("a:b")), { principal: "a:b" });
  assertEquals(rateKeyParts(source), { resource: source });
  assertEquals(rateKeyParts(tenant), { resource: tenant });
  const key = RateKey.composite(tenant, RateKey.composite(RateKey.principal("a"), source));
  assertEquals(rateKeyParts(key), { principal: "a", resource: tenant + source });
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert(Object.values(rateKeyParts(text)).join("").length <= text.length);
    }),
    { seed: 6 },
  );
});
