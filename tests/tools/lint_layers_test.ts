import { assertEquals, assertStringIncludes } from "@std/assert";
import plugin from "../../tools/lint_layers.ts";

/** Rules that speak up about a file, each once. */
function rules(path: string, source: string): string[] {
  return [...new Set(Deno.lint.runPlugin(plugin, path, source).map(({ id }) => id))];
}

/** A file, what it imports, and the rule that refuses that: `""` when it is fine. */
const imports: readonly (readonly [string, string, string])[] = [
  // Down, never up and never sideways.
  ["src/errors.ts", "./_internal/clock.ts", "layering"],
  ["src/errors.ts", "./events/mod.ts", "layering"],
  ["src/_internal/bytes.ts", "../errors.ts", ""],
  ["src/_internal/bytes.ts", "./clock.ts", ""],
  ["src/_internal/bytes.ts", "../events/audit_event.ts", "layering"],
  ["src/events/audit_logger.ts", "../errors.ts", ""],
  ["src/events/audit_logger.ts", "../_internal/clock.ts", ""],
  ["src/events/audit_logger.ts", "./sinks/file.ts", ""],
  ["src/events/audit_logger.ts", "../files/root.ts", "layering"],
  ["src/files/root.ts", "../events/audit_event.ts", ""],
  ["src/files/root.ts", "../dpop/proof.ts", "layering"],
  ["src/files/root.ts", "../runtime/semaphore.ts", "layering"],
  ["src/files/root.ts", "../transport/tcp.ts", "layering"],
  ["src/files/deep/down.ts", "../../dpop/proof.ts", "layering"],
  ["src/files/deep/down.ts", "../root.ts", ""],
  ["src/dpop/proof.ts", "../_internal/base64url.ts", ""],
  ["src/dpop/proof.ts", "../files/root.ts", "layering"],
  ["src/runtime/semaphore.ts", "../events/audit_event.ts", ""],
  ["src/runtime/semaphore.ts", "../dpop/proof.ts", "layering"],
  ["src/transport/tcp.ts", "../runtime/semaphore.ts", ""],
  ["src/transport/tcp.ts", "../files/root.ts", ""],
  ["src/transport/tcp.ts", "../guard.ts", "layering"],
  ["src/guard.ts", "./transport/tcp.ts", ""],
  ["src/guard.ts", "./supply_chain/report.ts", "layering"],
  ["src/guard.ts", "../mod.ts", "layering"],
  ["src/guard.ts", "@bartizan/security", "layering"],
  ["src/supply_chain/audit.ts", "../errors.ts", ""],
  ["src/supply_chain/audit.ts", "../_internal/clock.ts", ""],
  ["src/supply_chain/audit.ts", "./project/graph.ts", ""],
  ["src/supply_chain/project/graph.ts", "../report.ts", ""],
  ["src/supply_chain/audit.ts", "../events/audit_event.ts", "layering"],
  ["src/supply_chain/audit.ts", "../../mod.ts", "layering"],
  ["src/events/audit_logger.ts", "../supply_chain/report.ts", "layering"],
  ["src/events/audit_logger.ts", "@bartizan/security/audit", "layering"],
  ["mod.ts", "./src/guard.ts", ""],
  ["mod.ts", "./src/supply_chain/mod.ts", "layering"],
  ["src/nowhere/a.ts", "../errors.ts", "layering"],
  ["src/errors.ts", "../tools/vendor.ts", "layering"],
  ["tests/files/root_test.ts", "../../src/dpop/proof.ts", ""],
  ["tests/supply_chain/audit_test.ts", "@bartizan/security/audit", ""],

  // What starts with "_" stays in its folder.
  ["src/files/root.ts", "./_walk.ts", ""],
  ["src/files/deep/down.ts", "../_walk.ts", ""],
  ["src/files/root.ts", "./deep/_down.ts", "internal"],
  ["src/files/deep/down.ts", "./_down.ts", ""],
  ["src/transport/tcp.ts", "../files/_walk.ts", "internal"],
  ["src/supply_chain/project/lock.ts", "../_text.ts", ""],
  ["src/supply_chain/project/lock.ts", "../policy/_reader.ts", "internal"],
  ["src/supply_chain/audit.ts", "./policy/_reader.ts", "internal"],
  ["mod.ts", "./src/_internal/clock.ts", "internal"],
  ["bench/files_bench.ts", "../src/files/_walk.ts", "internal"],
  ["examples/server.ts", "../src/_internal/clock.ts", "internal"],
  ["tools/vendor.ts", "./_tar.ts", ""],
  ["bench/files_bench.ts", "../tools/_tar.ts", "internal"],
  ["tests/tools/tar_test.ts", "../../tools/_tar.ts", ""],
  ["tests/tools/tar_test.ts", "./_tar_writer.ts", ""],
  ["tests/files/root_test.ts", "../../src/files/_walk.ts", ""],
  ["tests/files/root_test.ts", "../../src/_internal/clock.ts", ""],
  ["tests/files/root_test.ts", "../../src/dpop/_jwk.ts", "internal"],
  ["tests/files/root_test.ts", "../tools/_tar_writer.ts", "internal"],

  // A dependency is imported where it was agreed to be.
  ["src/events/std_log_sink.ts", "@std/log", ""],
  ["src/events/std_log_sink.ts", "@std/log/base-handler", ""],
  ["src/events/audit_logger.ts", "@std/log", "dependencies"],
  ["src/events/audit_logger.ts", "jsr:@std/log@~0.224.14", "dependencies"],
  ["src/files/root.ts", "@std/path/posix", ""],
  ["src/files/root.ts", "@std/fs", ""],
  ["src/dpop/proof.ts", "jose", ""],
  ["src/transport/web_socket.ts", "npm:ws@8", ""],
  ["src/transport/web_socket.ts", "ws", ""],
  ["src/runtime/semaphore.ts", "npm:ws@8", "dependencies"],
  ["src/runtime/semaphore.ts", "ws", "dependencies"],
  ["src/supply_chain/advisories/osv.ts", "semver", ""],
  ["src/supply_chain/policy/policy.ts", "smol-toml", ""],
  ["src/files/root.ts", "semver", "dependencies"],
  ["src/_internal/text.ts", "jsonc-parser", "dependencies"],
  ["src/supply_chain/output/sarif.ts", "ajv", "dependencies"],
  ["src/files/root.ts", "@std/assert", "dependencies"],
  ["src/files/root.ts", "https://deno.land/x/oak/mod.ts", "dependencies"],
  ["tests/files/root_test.ts", "@std/assert", ""],
  ["tests/files/root_test.ts", "fast-check", ""],
  ["bench/files_bench.ts", "semver", ""],

  // A relative import carries its extension.
  ["src/files/root.ts", "../errors", "extensions"],
  ["src/files/root.ts", "./", "extensions"],
  ["tests/a_test.ts", "./b", "extensions"],
  ["tests/a_test.ts", "./b.json", ""],
  ["tests/a_test.ts", "./b.d.ts", ""],
  ["tests/a_test.ts", "@std/path", ""],

  // mod.ts loads where there are no node: modules.
  ["src/files/root.ts", "node:fs", "no-static-node"],
  ["src/supply_chain/audit.ts", "node:zlib", ""],
  ["tests/a_test.ts", "node:fs", ""],
];

for (const [path, specifier, rule] of imports) {
  const verdict = rule === "" ? "accepts" : "refuses";
  Deno.test(`lint_layers ${verdict} "${specifier}" in ${path}`, () => {
    const expected = rule === "" ? [] : [`bartizan/${rule}`];
    assertEquals(rules(path, `import { a } from ${JSON.stringify(specifier)}; a;`), expected);
  });
}

Deno.test("lint_layers sees every way to import", () => {
  const up = "../transport/tcp.ts";
  for (
    const source of [
      `import "${up}";`,
      `import type { A } from "${up}";`,
      `import * as all from "${up}";`,
      `export { a } from "${up}";`,
      `export * from "${up}";`,
      `export * as all from "${up}";`,
      `await import("${up}");`,
      `type A = import("${up}").A;`,
    ]
  ) {
    assertEquals(rules("src/files/root.ts", source), ["bartizan/layering"], source);
  }
  for (const source of ["export { a };", "await import(name);", `const a = "${up}";`]) {
    assertEquals(rules("src/files/root.ts", source), [], source);
  }
});

Deno.test("lint_layers knows a file by its absolute path, which the linter gives", () => {
  const path = new URL("../../src/files/root.ts", import.meta.url).pathname;
  assertEquals(rules(path, 'import "../dpop/proof.ts";'), ["bartizan/layering"]);
  assertEquals(rules(path, 'import "../events/audit_event.ts";'), []);
});

Deno.test("lint_layers lets no layer write to the console, nor export a default", () => {
  const source = 'console.log("x"); export default 1;';
  const both = ["bartizan/no-console", "bartizan/no-default-export"];
  assertEquals(rules("src/files/root.ts", source), both);
  assertEquals(rules("src/files/root.ts", "export function console() {}"), []);
  assertEquals(rules("tools/vendor.ts", source), []);
  assertEquals(rules("tests/a_test.ts", source), []);
  assertEquals(rules("src/supply_chain/mod.ts", "console.log(1);"), []);
  assertEquals(rules("src/supply_chain/mod.ts", source), ["bartizan/no-default-export"]);
});

Deno.test("lint_layers allows node: types, and node: modules that are loaded when needed", () => {
  assertEquals(rules("src/files/root.ts", 'import type { A } from "node:fs";'), []);
  assertEquals(rules("src/files/root.ts", 'await import("node:zlib");'), []);
});

Deno.test("lint_layers says what is allowed instead", () => {
  const [found] = Deno.lint.runPlugin(
    plugin,
    "src/files/root.ts",
    'import { a } from "../dpop/proof.ts";',
  );
  assertEquals(found?.message, '"files" may not import from "dpop"');
  assertStringIncludes(found?.hint ?? "", "errors, _internal, events");
});
