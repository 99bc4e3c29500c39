import { assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
import {
  developmentAliases,
  doubtsOf,
  shippedSpecifiers,
} from "../../../src/supply_chain/project/development.ts";
import { readSources } from "../../../src/supply_chain/project/source_imports.ts";
import { temporaryProject } from "../fixture.ts";

async function sourcesOf(files: Readonly<Record<string, string>>, aliases = ["lodash"]) {
  await using project = await temporaryProject(files);
  return readSources(project.path, { aliases });
}

const importsOf = async (text: string) =>
  (await sourcesOf({ "main.tsx": text })).imports.map(({ specifier }) => specifier);

Deno.test("readSources() finds every form of import when it is code", async () => {
  const cases: readonly (readonly [text: string, ...specifiers: readonly string[]])[] = [
    ['import a from "a"; export * from\'b\'; import"c";', "a", "b", "c"],
    ['import { x } from // why\n/* and */ "a";', "a"],
    ['await import(/* webpack: "no" */ "a"); import(`b`);', "a", "b"],
    ['const a = require("a"); import.meta.resolve("b");', "a", "b"],
    [
      'import "lod\\u0061sh"; import "\\x6codash"; import "\\lod\\u{61}sh";',
      ...Array(3).fill("lodash"),
    ],
    ['const x = `a ${await import("a")} ${`${require("b")}`} c`;', "a", "b"],
    ['const quote = /`/; import("a"); const y = /[/`]/g; import("b");', "a", "b"],
    ['const half = a / 2; import("a"); const b = (1) / 2; // `', "a"],
    ["/** @jsxImportSource npm:preact@10 */", "npm:preact@10"],
    ['// @ts-types="npm:@types/a"\nimport "a";', "npm:@types/a", "a"],
    ["/// <reference types='npm:@types/a' />", "npm:@types/a"],
    ['const a = <p title="x">it</p>; import("b");', "b"],
  ];
  for (const [text, ...specifiers] of cases) assertEquals(await importsOf(text), specifiers, text);
});

Deno.test("readSources() finds no import in comments, strings and other calls", async () => {
  const text = [
    '// import "a";\n/* import "b" */ const c = `import "c" from "c"`;',
    'const d = \'import "d"\'; const e = Array.from("e"); Promise.resolve("f");',
    'const g = /import "g"/; const from = { from: "h" }; x.import("i");',
  ].join("\n");
  assertEquals(await importsOf(text), []);
});

Deno.test("readSources() says where an import is", async () => {
  const { imports } = await sourcesOf({ "a/b.ts": '// first\nimport x from\n  "npm:x@1";\n' });
  assertEquals(imports, [{
    specifier: "npm:x@1",
    location: { file: "a/b.ts", line: 3, column: 3 },
  }]);
});

const developmentOf = async (
  files: Readonly<Record<string, string>>,
  aliases = ["lodash"],
) => {
  const sources = await sourcesOf({ "tests/a.ts": 'import "lodash";', ...files }, aliases);
  return [...developmentAliases(sources, ["./tests/"], aliases)];
};

Deno.test("developmentAliases() keeps a name that only the development paths import", async () => {
  assertEquals(await developmentOf({}), ["lodash"]);
  const others = 'import "lodash-es"; await import("./x.ts"); await import(`./${name}.ts`);';
  assertEquals(await developmentOf({ "main.ts": others }), ["lodash"]);
  assertEquals(await developmentOf({ "main.ts": "// import (see below)\n" }), ["lodash"]);
  for (const folder of ["node_modules/x", "a/node_modules/x", "vendor", "coverage"]) {
    assertEquals(await developmentOf({ [`${folder}/a.js`]: 'import "lodash";' }), ["lodash"]);
  }
});

Deno.test("developmentAliases() drops a name that a shipped file may import, however it is written", async () => {
  const texts = [
    'import x from /* a */ "lodash";',
    'import x from\n// a\n"lodash/fp";',
    'const quote = (a) /`/; import "lodash";',
    'const a = <p>`</p>; import("lodash");',
    "import(`lodash`)",
    'const x = `${await import("lodash")}`;',
    'require("lodash")',
    'import "lod\\u0061sh";',
    'import "lod\\\nash";',
    'import "\\u{0000000000000000000006c}odash";',
    "/** @jsxImportSource lodash */",
    'import.meta.resolve("lodash")',
    "const name = 'lodash';",
  ];
  for (const text of texts) assertEquals(await developmentOf({ "main.tsx": text }), [], text);
});

Deno.test("developmentAliases() drops every name when a shipped file computes what it imports", async () => {
  const texts = [
    "import(name)",
    'import("lod" + "ash")',
    "import(`lod${'ash'}`)",
    "require(name)",
    "import.meta.resolve(name)",
    "import/* a */(\n// b\nname)",
    `import ${" ".repeat(3000)}("x")`,
  ];
  for (const text of texts) {
    assertEquals(await developmentOf({ "main.ts": text }), [], text);
    assertEquals(await developmentOf({ "tests/main.ts": text }), ["lodash"], text);
  }
});

Deno.test("developmentAliases() reads hidden, nested, capital, interpreted and JSX files", async () => {
  for (const path of [".src/a.ts", "src/coverage/a.ts", "a/vendor/a.mjs", "A.TS", "a.svelte"]) {
    assertEquals(await developmentOf({ [path]: 'import "lodash";' }), [], path);
  }
  const script = '#!/usr/bin/env -S deno run\nimport "lodash";';
  assertEquals(await developmentOf({ "bin/run": script }), []);
  assertEquals(await developmentOf({ "LICENSE": 'of "lodash"' }), ["lodash"]);
  const config = '{ "compilerOptions": { "jsxImportSource": "lodash" } }';
  assertEquals(await developmentOf({ "deno.json": config }), []);
});

Deno.test("developmentAliases() takes a name that can be written in several ways as shipped", async () => {
  const odd = ["npm:x", "https://x/", "it's", "a b", "./x", "y".repeat(300)];
  const text = odd.map((name) => `import ${JSON.stringify(name)};`).join("\n");
  assertEquals(await developmentOf({ "tests/b.ts": text }, odd), []);
});

Deno.test("readSources() reports what it cannot read, and follows links to files", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using project = await temporaryProject({
    "tests/a.ts": 'import "lodash";',
    "far.txt": 'import "npm:far";',
    "src/keep.txt": "",
  });
  const read = () => readSources(project.path, { aliases: ["lodash"] });
  const inside = (path: string) => join(project.path, path);
  await Deno.symlink("../far.txt", inside("src/link.ts"));
  await Deno.symlink("nowhere.ts", inside("src/broken.ts"));
  assertEquals(shippedSpecifiers(read(), ["tests"]), ["npm:far"]);
  assertEquals(read().unread, []);
  await Deno.symlink("..", inside("src/circle"));
  assertEquals(read().unread, ["src/circle"]);
  assertEquals([...developmentAliases(read(), ["tests"], ["lodash"])], []);
  assertEquals(doubtsOf(read(), ["tests"]), ["src/circle"]);
  await Deno.rename(inside("src/circle"), inside("tests/circle"));
  assertEquals([...developmentAliases(read(), ["tests"], ["lodash"])], ["lodash"]);
  await Deno.symlink("loop.ts", inside("src/loop.ts"));
  assertEquals(read().unread, ["src/loop.ts", "tests/circle"]);
});

Deno.test("readSources() reports a path that is too long", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using project = await temporaryProject({});
  // Deeper than any path may be, as a folder above gets a longer name last.
  const path = join(project.path, "a", ...Array(15).fill("d".repeat(250)));
  await Deno.mkdir(join(path, "e".repeat(200)), { recursive: true });
  await Deno.rename(join(project.path, "a"), join(project.path, "a".repeat(250)));
  assertEquals(readSources(project.path).unread.length, 1);
});

Deno.test("readSources() stops at each of its limits, and says so", async () => {
  await using project = await temporaryProject({ "a.ts": "1", "b.ts": "22", "c.ts": "3" });
  const read = (options: Parameters<typeof readSources>[1]) => {
    const { files, unread } = readSources(project.path, options);
    return [files.map(({ path }) => path), unread];
  };
  assertEquals(read({ maxFileBytes: 1 }), [["a.ts", "c.ts"], ["b.ts"]]);
  assertEquals(read({ maxTotalBytes: 2 }), [["a.ts"], ["."]]);
  assertEquals(read({ maxEntries: 2 }), [["a.ts", "b.ts"], ["."]]);
  assertEquals(doubtsOf(readSources(project.path, { maxEntries: 2 }), [".", "a.ts"]), ["."]);
});

Deno.test("readSources() reads modules with a byte order mark and with invalid bytes", async () => {
  await using project = await temporaryProject({});
  const text = 'import "npm:x@1";';
  const utf16 = new Uint8Array([0xff, 0xfe, ...[...text].flatMap((c) => [c.charCodeAt(0), 0])]);
  await Deno.writeFile(join(project.path, "a.ts"), utf16);
  const latin = new Uint8Array([...new TextEncoder().encode(text), 0x2f, 0x2f, 0xe9]);
  await Deno.writeFile(join(project.path, "b.ts"), latin);
  const { imports, unread } = readSources(project.path);
  assertEquals(imports.map(({ specifier }) => specifier), ["npm:x@1", "npm:x@1"]);
  assertEquals(unread, []);
});

Deno.test("shippedSpecifiers() returns addresses in shipped files as the URL parser reads them", async () => {
  const sources = await sourcesOf({
    "tests/a.ts": 'import "npm:only-tests";',
    "main.ts":
      'import("npm:a@1"); x("JSR:@b/c"); const y = ` https://esm.sh/d\\u0040${v}`; "npm:\\\ne";',
  });
  assertEquals(shippedSpecifiers(sources, ["tests"]), [
    "npm:a@1",
    "jsr:@b/c",
    "https://esm.sh/d@${v}",
    "npm:e",
  ]);
});

Deno.test("readSources() takes time in proportion to the text, whatever is left open in it", async () => {
  const units = [
    '\\"',
    '"',
    "`${",
    "import ",
    "import/*",
    "import//",
    "import(`",
    "/*",
    "/",
    "\\u{0",
    "@jsxImportSource ",
    "<reference ",
    '"a/',
    "from\n",
    "@import ",
  ];
  for (const unit of units) {
    const timeOf = async (length: number) => {
      const text = unit.repeat(length / unit.length);
      await using project = await temporaryProject({ "a.ts": text });
      const start = performance.now();
      readSources(project.path, { aliases: ["a"] });
      return performance.now() - start;
    };
    // A quadratic scan of this text takes minutes, a linear one a fraction of the bound.
    assertLess(await timeOf(1_000_000), 3000, unit);
  }
});
