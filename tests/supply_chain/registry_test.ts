import { assertEquals, assertLess } from "@std/assert";
import {
  canonicalRegistry,
  isPrivateScope,
  registryName,
  registryOf,
  withoutCredentials,
} from "../../src/supply_chain/_registry.ts";
import type { Npmrc } from "../../src/supply_chain/project/project.ts";

const npmrc = (fields: Partial<Npmrc>): Npmrc => ({
  scopes: new Map(),
  privateScopes: new Set(),
  ...fields,
});
const standard = ["https://registry", "npmjs"].join(".");

Deno.test("registryName() knows the default registries and no address that resembles them", () => {
  const cases = [
    [`${standard}.org`, "npm"],
    [`${standard}.com/`, "npm"],
    [`https://user:pw@${standard.slice(8)}.org/`, "npm"],
    [`${standard}.org:8443/`, `${standard}.org:8443`],
    [`${standard.replace("https", "http")}.org`, `${standard.replace("https", "http")}.org`],
    ["https://acme.npmjs.org", "https://acme.npmjs.org"],
    ["https://jsr.io/", "jsr"],
    ["https://npm.jsr.io", "jsr"],
    ["https://npm.jsr.io.evil.example", "https://npm.jsr.io.evil.example"],
  ] as const;
  for (const [address, name] of cases) assertEquals(registryName(address), name, address);
});

Deno.test("canonicalRegistry() keeps no credentials, whether or not it is an address", () => {
  const cases = [
    ["https://user:s3cret@npm.acme.example/a/", "https://npm.acme.example/a"],
    ["https://npm.acme.example/?token=s3cret#s3cret", "https://npm.acme.example"],
    ["//user:s3cret@npm.acme.example/", "//npm.acme.example"],
    ["https://user:s3cret@npm acme/", "https://npm acme"],
  ] as const;
  for (const [address, canonical] of cases) assertEquals(canonicalRegistry(address), canonical);
  assertEquals(
    withoutCredentials("git+https://u:s3@x@github.com/o/r"),
    "git+https://github.com/o/r",
  );
  assertEquals(withoutCredentials("https://esm.sh/@a/b@1"), "https://esm.sh/@a/b@1");
});

Deno.test("registryOf() follows the scope, then the default, and JSR for its own scope", () => {
  const rc = npmrc({
    registry: "https://mirror.example/",
    scopes: new Map([["@acme", "https://npm.acme.example/"]]),
  });
  const of = (name: string, rc: Npmrc) => registryOf({ kind: "npm", name }, rc);
  assertEquals(of("@acme/a", rc), "https://npm.acme.example");
  assertEquals(of("@ACME/a", rc), "https://npm.acme.example");
  assertEquals(of("@other/a", rc), "https://mirror.example");
  assertEquals(of("@jsr/std__path", rc), "jsr");
  assertEquals(of("a", npmrc({})), "npm");
  assertEquals(registryOf({ kind: "jsr", name: "@std/path" }, rc), "jsr");
  const mapped = npmrc({ scopes: new Map([["@jsr", "https://mirror.example"]]) });
  assertEquals(of("@jsr/std__path", mapped), "https://mirror.example");
});

Deno.test("isPrivateScope() and registryOf() look names up when there are many scopes", () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `@s${index}`);
  const rc = npmrc({
    scopes: new Map(names.map((scope) => [scope, "https://npm.acme.example"])),
    privateScopes: new Set(names),
  });
  const start = performance.now();
  for (let index = 0; index < 3000; index++) {
    assertEquals(isPrivateScope(`@t${index}/x`, rc), false);
    assertEquals(registryOf({ kind: "npm", name: `@t${index}/x` }, rc), "npm");
  }
  // One comparison for each pair would be 300 million.
  assertLess(performance.now() - start, 1000);
  assertEquals(isPrivateScope("@S7/x", rc), true);
  assertEquals(isPrivateScope("@s7", rc), false);
});
