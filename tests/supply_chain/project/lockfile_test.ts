import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../../src/errors.ts";
import { parseLockfile } from "../../../src/supply_chain/project/lockfile.ts";

const parse = (value: unknown) => parseLockfile(JSON.stringify(value, null, 2), "deno.lock");

Deno.test("parseLockfile() reads the bare map of version 1", () => {
  const lock = parse({ "https://deno.land/std@0.1.0/mod.ts": "ab" });
  assertEquals(lock.version, "1");
  assertEquals([...lock.remote], [["https://deno.land/std@0.1.0/mod.ts", "ab"]]);
});

Deno.test("parseLockfile() reads the nested npm section of version 2", () => {
  const lock = parse({
    version: "2",
    remote: {},
    npm: {
      specifiers: { "koa-router": "koa-router@12.0.0", "@a/b@^1": "@a/b@1.0.0" },
      packages: {
        "koa-router@12.0.0": { integrity: "sha512-AA==", dependencies: { alias: "@a/b@1.0.0" } },
        "@a/b@1.0.0": { integrity: "sha512-AA==", dependencies: {} },
      },
    },
  });
  assertEquals([...lock.specifiers], [
    ["npm:koa-router", "koa-router@12.0.0"],
    ["npm:@a/b@^1", "@a/b@1.0.0"],
  ]);
  assertEquals(lock.npm.get("koa-router@12.0.0")!.dependencies, ["@a/b@1.0.0"]);
  assertEquals(lock.locate("npm", "@a/b@1.0.0").line, 16);
  assertEquals(lock.locate("specifiers", "@a/b@^1").line, 7);
});

Deno.test("parseLockfile() reads the packages section of version 3 with its prefixes", () => {
  const lock = parse({
    version: "3",
    packages: {
      specifiers: { "jsr:@a/b@1": "jsr:@a/b@1.2.3", "npm:c@1": "npm:c@1.0.0_d@2.0.0" },
      jsr: { "@a/b@1.2.3": { integrity: "ab", dependencies: ["npm:c@1"] } },
      npm: {
        "c@1.0.0_d@2.0.0": { integrity: "sha512-AA==", dependencies: { d: "d@2.0.0" } },
        "d@2.0.0": { integrity: "sha512-AA==", dependencies: {} },
      },
    },
    remote: { "https://x.example/mod.ts": "ab" },
    redirects: { "https://x.example/": "https://x.example/mod.ts" },
  });
  assertEquals([...lock.specifiers.values()], ["@a/b@1.2.3", "c@1.0.0_d@2.0.0"]);
  assertEquals(lock.npm.get("c@1.0.0_d@2.0.0")!.version, "1.0.0");
  assertEquals(lock.jsr.get("@a/b@1.2.3")!.dependencies, ["npm:c@1"]);
  assertEquals(lock.redirects.size, 1);
  assertEquals(lock.unknownFields, []);
  assertEquals(lock.locate("jsr", "@a/b@1.2.3").line, 9);
});

Deno.test("parseLockfile() resolves every form of dependency of versions 4 and 5", () => {
  for (const version of ["4", "5"]) {
    const lock = parse({
      version,
      specifiers: { "npm:a@1": "1.0.0", "jsr:@s/n@1": "1.0.0" },
      jsr: { "@s/n@1.0.0": { integrity: "ab" } },
      npm: {
        "a@1.0.0": {
          integrity: "sha512-AA==",
          dependencies: ["b", "c@2.0.0_b@1.0.0", "old@npm:c@1.0.0"],
          optionalDependencies: ["d"],
          optionalPeers: ["e@^1", "b@1.0.0"],
          deprecated: true,
          scripts: true,
          bin: true,
          os: ["linux"],
          cpu: ["x64"],
        },
        "b@1.0.0": { integrity: "sha512-AA==" },
        "c@1.0.0": { integrity: "sha512-AA==" },
        "c@2.0.0_b@1.0.0": { integrity: "sha512-AA==", tarball: "https://x.example/c.tgz" },
        "d@1.0.0": {},
      },
      workspace: {
        dependencies: ["npm:a@1"],
        packageJson: { dependencies: ["npm:d@1"], overrides: { x: { ".": "1" } } },
        members: { "packages/x": { dependencies: ["jsr:@s/n@1"] } },
        links: { "jsr:@l/l@1.0.0": { dependencies: ["npm:a@1"], peerDependencies: ["npm:b@1"] } },
      },
    });
    const a = lock.npm.get("a@1.0.0")!;
    assertEquals(
      [...a.dependencies].sort(),
      ["b@1.0.0", "b@1.0.0", "c@1.0.0", "c@2.0.0_b@1.0.0", "d@1.0.0"],
    );
    assertEquals([a.deprecated, a.scripts], [true, true]);
    assertEquals(lock.npm.get("d@1.0.0")!.integrity, undefined);
    assertEquals(lock.npm.get("c@2.0.0_b@1.0.0")!.tarball, "https://x.example/c.tgz");
    assertEquals([...lock.specifiers.values()], ["a@1.0.0", "@s/n@1.0.0"]);
    const workspace = lock.workspace!;
    assertEquals(workspace.root, { dependencies: ["npm:a@1"], packageJson: ["npm:d@1"] });
    assertEquals([...workspace.members.keys()], ["packages/x"]);
    assertEquals(workspace.links.get("jsr:@l/l@1.0.0"), ["npm:a@1", "npm:b@1"]);
    assertEquals(lock.unknownFields, []);
  }
});

Deno.test("parseLockfile() keeps unknown fields and duplicate keys for the report", () => {
  const lock = parseLockfile(
    '{"version":"5","future":1,"npm":{"a@1.0.0":{"new":1},"a@1.0.0":{"new":2}}}',
    "deno.lock",
  );
  assertEquals(lock.unknownFields.map(({ path, key }) => [...path, key].join("/")), [
    "future",
    "npm/a@1.0.0/new",
  ]);
  assertEquals(lock.duplicateKeys.map(({ key }) => key), ["a@1.0.0"]);
});

Deno.test("parseLockfile() names file, line and what was expected when it cannot be read", () => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    ["", "deno.lock:1:1: expected JSON"],
    ["[]", "deno.lock:1:1: the file: expected an object"],
    ['{\n"version": "5",\n"npm": {', "deno.lock:3:9: expected JSON"],
    ['{\n"version": "5",\n"npm": []}', "deno.lock:3:1: npm: expected an object"],
    [
      '{"version":"5","npm":{\n"a@1.0.0":{"integrity":1}}}',
      "deno.lock:2:12: integrity: expected a",
    ],
    ['{"version":"5","npm":{\n"a@1.0.0":{"dependencies":"b"}}}', "dependencies: expected an array"],
    ['{"version":"5","npm":{\n"a":{}}}', 'deno.lock:2:1: a: expected a key "name@version"'],
    ['{"version":"5","jsr":{\n"a@1":{}}}', "deno.lock:2:1: a@1: expected a key of the form"],
    ['{"version":"5","specifiers":{\n"a":"1"}}', 'deno.lock:2:1: a: expected "npm:…" or "jsr:…"'],
    ['{"version":"5","remote":{\n"a":1}}', "deno.lock:2:1: a: expected a string"],
    ['{"npm":{}}', 'deno.lock:1:2: npm: expected a field "version"'],
    ["[".repeat(100), "deno.lock:1:65: expected at most 64 levels of nesting"],
    // Deno's migration takes packages from a section of another version; a reader must not miss them.
    ['{"version":"3","npm":{"evil@1.0.0":{}}}', "expected no such section in version 3"],
    ['{"version":"3","specifiers":{}}', "expected no such section in version 3"],
    ['{"version":"2","packages":{}}', "expected no such section in version 2"],
    ['{"version":"2","workspace":{}}', "expected no such section in version 2"],
    ['{"version":"4","packages":{}}', "expected no such section in version 4"],
    ['{"version":"5","packages":{}}', "expected no such section in version 5"],
    [`{"version":"5","npm":{"a@1.0.0_${"b".repeat(16_384)}":{}}}`, 'expected a key "name@version"'],
    [`{"version":"5","jsr":{"@s/${"b".repeat(16_384)}@1.0.0":{}}}`, "expected a key of the form"],
  ];
  for (const [text, message] of cases) {
    const error = assertThrows(() => parseLockfile(text, "deno.lock"), SecurityError);
    assertEquals(error.code, "lockfile-unreadable", text);
    assertStringIncludes(error.message, message, text);
  }
});

Deno.test("parseLockfile() refuses a version that it does not know", () => {
  for (const version of ["0", "6", "5.0", 5, null, { toString: 1 }]) {
    const error = assertThrows(() => parse({ version }), SecurityError, 'from "1" to "5"');
    assertEquals(error.code, "lockfile-version-unknown");
  }
});

Deno.test("parseLockfile() takes hostile names as names", () => {
  const text = '{"version":"5","__proto__":{"x":1},"npm":{"__proto__@1.0.0":{},' +
    '"constructor@1.0.0":{"dependencies":["__proto__"]},"\\u001b[2J@1.0.0":{},"../x@1.0.0":{}}}';
  const lock = parseLockfile(text, "deno.lock");
  assertEquals(lock.npm.size, 4);
  assertEquals(lock.npm.get("constructor@1.0.0")!.dependencies, ["__proto__@1.0.0"]);
  assertEquals(lock.unknownFields.map(({ key }) => key), ["__proto__"]);
  assertEquals(({} as Record<string, unknown>).x, undefined);
});

Deno.test("parseLockfile() never prints control characters of the file in an error", () => {
  for (
    const text of ['{"version":"5","npm":{"\\u001b[2J":{}}}', '{"version":"\\u001b[2J"}', "{\u001b"]
  ) {
    const { message } = assertThrows(() => parseLockfile(text, "deno.lock"), SecurityError);
    // deno-lint-ignore no-control-regex
    assertEquals(/[\u0000-\u001f]/.test(message), false, message);
  }
});

Deno.test("parseLockfile() reads any damaged text or throws a SecurityError", () => {
  const text = JSON.stringify({
    version: "5",
    specifiers: { "npm:a@1": "1.0.0" },
    npm: { "a@1.0.0": { integrity: "sha512-AA==", dependencies: ["b"] }, "b@1.0.0": {} },
    workspace: { dependencies: ["npm:a@1"] },
  });
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(8), fc.string({ maxLength: 4 }), (at, length, put) => {
      try {
        parseLockfile(text.slice(0, at) + put + text.slice(at + length), "deno.lock");
      } catch (error) {
        if (!(error instanceof SecurityError)) throw error;
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
});

Deno.test("parseLockfile() refuses more objects and arrays than a lockfile can have", () => {
  const text = `{"version":"5","x":[${"[],".repeat(4_000_000)}[]]}`;
  assertThrows(() => parseLockfile(text, "deno.lock"), SecurityError, "expected at most 4000000");
});

Deno.test("parseLockfile() reads a version as Deno does, and lists how it is written", () => {
  const ids = ["evil@v1.0.0", "evil@=1.0.0", "evil@ 1.0.0", "evil@v 1.0.0", "evil@01.0.0"];
  for (const id of ids) {
    const lock = parse({ version: "5", npm: { [`${id}_p@1.0.0`]: {} } });
    const [entry] = lock.npm.values();
    assertEquals([entry!.name, entry!.version], ["evil", "1.0.0"], id);
    assertEquals(lock.malformedIds, [{ section: "npm", id: `${id}_p@1.0.0` }]);
  }
  const fine = ["a@1.0.0", "JSONStream@1.3.5", "@s/a.b@1.0.0-rc.1", "a@1.0.0+build.5", "a~b@0.0.0"];
  const lock = parse({
    version: "5",
    npm: Object.fromEntries(fine.map((id) => [id, {}])),
    jsr: { "@std/path@1.0.0": {} },
  });
  assertEquals(lock.malformedIds, []);
  const odd = ["%65vil@1.0.0", "a b@1.0.0", "../x@1.0.0", "l\u043edash@1.0.0", "a@latest"];
  for (const id of odd) {
    assertEquals(
      parse({ version: "5", npm: { [id]: {} } }).malformedIds.length,
      id === "a@latest" ? 0 : 1,
      id,
    );
  }
  assertEquals(parse({ version: "5", jsr: { "@../x@1.0.0": {} } }).malformedIds.length, 1);
});

Deno.test("parseLockfile() takes a bare name of several versions for the last, as Deno does", () => {
  const npm: Record<string, unknown> = { "b@1.0.0": { dependencies: ["a"] } };
  for (let index = 0; index < 1000; index++) npm[`a@1.0.${index}`] = { dependencies: ["a"] };
  assertEquals(parse({ version: "5", npm }).npm.get("b@1.0.0")!.dependencies, ["a@1.0.999"]);
});

Deno.test("parseLockfile() takes an empty hash for none", () => {
  const lock = parse({
    version: "5",
    npm: { "a@1.0.0": { integrity: "", tarball: "" } },
    jsr: { "@s/n@1.0.0": { integrity: "" } },
  });
  assertEquals(lock.npm.get("a@1.0.0")!.integrity, undefined);
  assertEquals(lock.npm.get("a@1.0.0")!.tarball, undefined);
  assertEquals(lock.jsr.get("@s/n@1.0.0")!.integrity, undefined);
});

Deno.test("parseLockfile() lists a thousand unknown fields and duplicate keys at most", () => {
  const fields = Array.from({ length: 3000 }, (_, index) => `"f${index}":1`).join(",");
  assertEquals(parseLockfile(`{"version":"5",${fields}}`, "deno.lock").unknownFields.length, 1000);
  const twice = `"x@1.0.0":{},`.repeat(3000);
  const lock = parseLockfile(`{"version":"5","npm":{${twice}"y@1.0.0":{}}}`, "deno.lock");
  assertEquals(lock.duplicateKeys.length, 1000);
});
