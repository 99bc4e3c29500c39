import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join, resolve } from "@std/path";
import { SecurityError } from "../../../src/errors.ts";
import { findProjectRoot, readProject } from "../../../src/supply_chain/project/read_project.ts";
import { temporaryProject } from "../fixture.ts";

const specifiers = (
  { configs }: Awaited<ReturnType<typeof readProject>>,
  path: string,
) => configs.find((config) => config.path === path)!.dependencies.map(({ specifier }) => specifier);

Deno.test("readProject() reads comments, trailing commas, scopes and compiler options", async () => {
  await using project = await temporaryProject({
    "deno.jsonc": `{
      // a comment
      "name": "@a/b",
      "imports": { "x": "npm:x@^1", "std/": "https://deno.land/std@0.1.0/", "local": "./mod.ts", },
      "scopes": { "https://x/": { "y": "jsr:@y/y@1" } },
      "compilerOptions": { "jsxImportSource": "npm:preact@10", "types": ["npm:@types/node", "./x.d.ts"] },
    }`,
  });
  const read = await readProject(project.path);
  assertEquals(read.name, "@a/b");
  assertEquals(specifiers(read, "deno.jsonc"), [
    "npm:x@^1",
    "https://deno.land/std@0.1.0/",
    "jsr:@y/y@1",
    "npm:preact@10",
    "npm:@types/node",
  ]);
  assertEquals(read.configs[0]!.dependencies[0]!.location, {
    file: "deno.jsonc",
    line: 4,
    column: 25,
  });
});

Deno.test("readProject() reads every form of dependency of package.json", async () => {
  await using project = await temporaryProject({
    "package.json": {
      name: "root",
      dependencies: {
        plain: "^1.2.3",
        empty: "",
        alias: "npm:other@2",
        std: "jsr:@std/path@^1",
        "@std/fs": "jsr:^1",
        local: "file:../x",
        member: "workspace:*",
        short: "owner/repository#v1",
        git: "git+https://github.com/o/r.git",
        tarball: "https://x.example/a.tgz",
        cataloged: "catalog:",
        named: "catalog:old",
      },
      devDependencies: { dev: "1" },
      optionalDependencies: { maybe: "1" },
      workspaces: { catalog: { cataloged: "^3" }, catalogs: { old: { named: "^1" } } },
    },
  });
  const read = await readProject(project.path);
  assertEquals(specifiers(read, "package.json"), [
    "npm:plain@^1.2.3",
    "npm:empty@*",
    "npm:other@2",
    "npm:@jsr/std__path@^1",
    "npm:@jsr/std__fs@^1",
    "github:owner/repository#v1",
    "git+https://github.com/o/r.git",
    "https://x.example/a.tgz",
    "npm:cataloged@^3",
    "npm:named@^1",
    "npm:maybe@1",
    "npm:dev@1",
  ]);
  const dev = read.configs[0]!.dependencies.filter(({ dev }) => dev);
  assertEquals(dev.map(({ alias }) => alias), ["dev"]);
});

Deno.test("readProject() reads members by path and by glob, and no member outside", async () => {
  await using project = await temporaryProject({
    "root/deno.json": {
      workspace: ["./a", "packages/*", "!packages/skipped", "../outside", "missing"],
    },
    "root/a/deno.json": { name: "@x/a" },
    "root/packages/b/package.json": { name: "b" },
    "root/packages/b/deno.json": { name: "@x/b" },
    "root/packages/skipped/deno.json": {},
    "root/packages/node_modules/x/deno.json": {},
    "outside/deno.json": { imports: { x: "npm:x@1" } },
  });
  const read = await readProject(join(project.path, "root"));
  assertEquals(read.configs.map(({ path }) => path), [
    "deno.json",
    "a/deno.json",
    "packages/b/deno.json",
    "packages/b/package.json",
  ]);
});

Deno.test("readProject() reads a local import map, and says that it has not read another", async () => {
  await using project = await temporaryProject({
    "deno.json": { importMap: "./map.json", lock: true },
    "deno.lock": "{}",
    "map.json": { imports: { a: "npm:a@1" } },
    "far/deno.json": { importMap: "https://user:secret@x.example/map.json" },
    "far/deno.lock": "{}",
    "out/deno.json": { importMap: "../map.json" },
    "both/deno.json": { importMap: "./none.json", imports: { b: "npm:b@1" } },
  });
  const read = (folder: string) => readProject(join(project.path, folder));
  assertEquals(specifiers(await read("."), "map.json"), ["npm:a@1"]);
  assertEquals((await read(".")).unread, []);
  assertEquals((await read("far")).configs.length, 1);
  assertEquals((await read("far")).unread, ["the import map https://x.example/map.json"]);
  // One outside is named by its relative path.
  assertEquals(specifiers(await read("out"), "../map.json"), ["npm:a@1"]);
  // Deno ignores it where deno.json has imports.
  assertEquals((await read("both")).configs.map(({ path }) => path), ["deno.json"]);
});

Deno.test("readProject() throws when there is no import map, or no folder", async () => {
  await using project = await temporaryProject({ "deno.json": { importMap: "./none.json" } });
  const cases = [
    [project.path, "there is no import map none.json"],
    [join(project.path, "missing\x1b"), "missing\\u001b"],
    [join(project.path, "deno.json"), "there is no folder"],
    [join(project.path, "x".repeat(5000)), "cannot be read"],
  ] as const;
  for (const [folder, message] of cases) {
    const error = await assertRejects(() => readProject(folder), SecurityError);
    assertEquals(error.code, "project-unreadable");
    assertStringIncludes(error.message, message);
    assertEquals(error.message.includes("\x1b"), false);
  }
});

Deno.test("findProjectRoot() finds the root of the workspace, or the nearest configuration", async () => {
  await using project = await temporaryProject({
    "root/deno.json": { workspace: ["packages/*", "!packages/alone", "apps/**"] },
    "root/packages/a/deno.json": {},
    "root/packages/a/src/deep/x.ts": "",
    "root/packages/alone/deno.json": {},
    "root/packages/locked/deno.json": {},
    "root/packages/locked/deno.lock": "{}",
    "root/apps/b/c/package.json": {},
    "root/apps/node_modules/x/package.json": {},
    "root/apps/d/deno.json": { workspace: ["./e"] },
    "root/apps/d/e/deno.json": {},
    "npm/package.json": { workspaces: { packages: ["a"] } },
    "npm/a/package.json": {},
    "nothing/x.txt": "",
  });
  const cases: readonly (readonly [folder: string, root: string])[] = [
    ["root", "root"],
    ["root/packages/a", "root"],
    ["root/packages/a/src/deep", "root"],
    ["root/packages/alone", "root/packages/alone"],
    ["root/packages/locked", "root/packages/locked"],
    ["root/apps/b/c", "root"],
    ["root/apps/node_modules/x", "root/apps/node_modules/x"],
    ["root/apps/d/e", "root/apps/d"],
    ["npm/a", "npm"],
    ["nothing", "nothing"],
  ];
  for (const [folder, root] of cases) {
    assertEquals(findProjectRoot(join(project.path, folder)), join(project.path, root), folder);
  }
  const { configs, root } = await readProject(join(project.path, "npm/a"));
  assertEquals(root, join(project.path, "npm"));
  assertEquals(configs.map(({ path }) => path), ["package.json", "a/package.json"]);
});

Deno.test("findProjectRoot() names a damaged configuration above the folder", async () => {
  await using project = await temporaryProject({ "deno.json": "{", "a/deno.json": {} });
  assertThrows(() => findProjectRoot(join(project.path, "a")), SecurityError, "../deno.json:1:2");
});

Deno.test("readProject() expands globs of the workspace without leaving the project", async () => {
  await using project = await temporaryProject({
    "outside/deno.json": {},
    "root/deno.json": {
      workspace: [
        "/**/*",
        "../**",
        "a/../../outside",
        "{x,y}/*",
        "**/de?p",
        "n[a-c-]m",
        "../outside",
      ],
    },
    "root/x/1/deno.json": {},
    "root/y/1/deno.json": {},
    "root/z/1/deno.json": {},
    "root/q/w/deep/deno.json": {},
    "root/node_modules/deep/deno.json": {},
    "root/nbm/deno.json": {},
    "root/ndm/deno.json": {},
  });
  const { configs, unread } = await readProject(join(project.path, "root"));
  const members = configs.map(({ member }) => member).slice(1);
  assertEquals(members.sort(), ["nbm", "q/w/deep", "x/1", "y/1"]);
  assertEquals(unread, []);
});

Deno.test("readProject() expands a hostile glob in no time, or says that it has not", async () => {
  await using project = await temporaryProject({
    "deno.json": {
      workspace: [
        "+(a|aa|aaa)".repeat(8) + "z",
        "{a,b}".repeat(22),
        "x".repeat(1001),
        "*a".repeat(40) + "z",
        "**/".repeat(12) + "z*",
      ],
    },
    [`${"a".repeat(100)}/${"a/".repeat(30)}x`]: "",
  });
  const { configs, unread } = await readProject(project.path);
  assertEquals(configs.length, 1);
  assertEquals(unread.length, 3);
  assertStringIncludes(unread[0]!, "the workspace members +(a|aa|aaa)");
});

Deno.test("readProject() survives a folder that it may not read", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using project = await temporaryProject({
    "deno.json": { workspace: ["**"] },
    "secret/deno.json": {},
    "open/deno.json": {},
  });
  const { path } = project;
  const source = `
    import { readProject } from "${new URL(
    "../../../src/supply_chain/project/read_project.ts",
    import.meta.url,
  )}";
    const { configs, unread } = await readProject(Deno.args[0]);
    console.log(configs.map(({ path }) => path).join(), unread.join());`;
  await Deno.writeTextFile(join(path, "run.ts"), source);
  const args = ["run", "-q", "--no-prompt", "--no-lock", "--config", resolve("deno.json")];
  const output = await new Deno.Command("deno", {
    args: [
      ...args,
      "--allow-read",
      `--deny-read=${join(path, "secret")}`,
      join(path, "run.ts"),
      path,
    ],
  }).output();
  assertEquals(new TextDecoder().decode(output.stderr), "");
  assertEquals(
    new TextDecoder().decode(output.stdout),
    "deno.json,open/deno.json the workspace members secret\n",
  );
});

Deno.test("readProject() throws when the workspace has too many members", async () => {
  for (const [name, count] of [["a", 10_001], ["!a", 201]] as const) {
    const workspace = Array.from({ length: count }, (_, index) => `${name}${index}`);
    await using project = await temporaryProject({ "deno.json": { workspace } });
    await assertRejects(() => readProject(project.path), SecurityError, "more than");
  }
});

Deno.test("readProject() keeps registries from .npmrc and no credentials", async () => {
  await using project = await temporaryProject({
    "home/.npmrc": "registry=https://mirror.example/\n@acme:registry=https://old.example\n",
    "root/deno.json": {},
    "root/.npmrc": '; comment\n@acme:registry = "https://npm.acme.example"\n' +
      "//npm.acme.example/:_authToken=secret\n",
  });
  const read = await readProject(join(project.path, "root"), { home: join(project.path, "home") });
  assertEquals(read.npmrc.registry, "https://mirror.example/");
  assertEquals([...read.npmrc.scopes], [["@acme", "https://npm.acme.example"]]);
  assertEquals(JSON.stringify([...Object.values(read.npmrc)]).includes("secret"), false);
});

Deno.test("readProject() reads .npmrc as npm does", async () => {
  const address = "https://npm.acme.example/";
  const lines = [
    `@acme:registry=${address}`,
    `  @acme:registry = ${address} ; internal`,
    `@acme:registry=${address} # internal`,
    `"@acme:registry"="${address}"`,
    `'@acme:registry' = '${address}' ; internal`,
    `@ACME:registry=${address}`,
    `x=1\r@acme:registry=${address}\r`,
    `; first\n[section]\n@acme:registry=${address}`,
  ];
  for (const line of lines) {
    await using project = await temporaryProject({ "deno.json": {}, ".npmrc": line });
    const { npmrc } = await readProject(project.path);
    assertEquals([...npmrc.scopes], [["@acme", address]], line);
    assertEquals([...npmrc.privateScopes], ["@acme"], line);
  }
});

Deno.test("readProject() takes a scope as private when any .npmrc does", async () => {
  const registry = (domain: string) => `https://${["registry", "npmjs", domain].join(".")}/`;
  const own = "@acme:registry=https://npm.acme.example/\n";
  const isPrivateWith = async (files: Readonly<Record<string, string>>) => {
    await using project = await temporaryProject({
      "root/deno.json": { workspace: ["./a"] },
      "root/a/deno.json": {},
      ...files,
    });
    const home = join(project.path, "home");
    const { npmrc } = await readProject(join(project.path, "root/a"), { home });
    return npmrc.privateScopes.has("@acme");
  };
  const open = `@acme:registry=${registry("org")}\n`;
  assertEquals(await isPrivateWith({}), false);
  assertEquals(await isPrivateWith({ "root/.npmrc": open }), false);
  assertEquals(await isPrivateWith({ "root/.npmrc": `@acme:registry=${registry("com")}` }), false);
  const cases: readonly Readonly<Record<string, string>>[] = [
    { "root/.npmrc": own },
    { "root/a/.npmrc": own },
    { "home/.npmrc": own },
    { ".npmrc": own },
    { "root/.npmrc": open, "home/.npmrc": own },
    { "root/.npmrc": open, ".npmrc": own },
    { "root/.npmrc": own + open },
    { "root/.npmrc": `registry=https://npm.acme.example/\n${own}` },
    { "root/.npmrc": "@acme:registry=${ACME}" },
    { "root/.npmrc": "@acme:registry=" },
    { "root/.npmrc": "@acme:registry=https://acme.npmjs.org/" },
    { "root/.npmrc": "@acme:registry=https://npmjs.org.acme.example/" },
    { "root/.npmrc": `@acme:registry=${registry("org").replace("https", "http")}` },
  ];
  for (const files of cases) assertEquals(await isPrivateWith(files), true, JSON.stringify(files));
});

Deno.test("readProject() says where a configuration is wrong", async () => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    ['{\n  "imports": {,}', "deno.json:2:15: expected JSON"],
    ["[]", "deno.json:1:1: expected an object"],
    ["", "deno.json:1:1: expected"],
    ["[".repeat(200_000), "deno.json: nested too deeply"],
    // The parser reads this; what uses the value would overflow its stack.
    [`{"a":${"[".repeat(3000)}${"]".repeat(3000)}}`, "deno.json: nested too deeply"],
    [`{"a":${"[".repeat(101)}${"]".repeat(101)}}`, "deno.json: nested too deeply"],
  ];
  for (const [text, message] of cases) {
    await using project = await temporaryProject({ "deno.json": text });
    const error = await assertRejects(() => readProject(project.path), SecurityError);
    assertEquals(error.code, "project-unreadable");
    assertStringIncludes(error.message, message);
  }
});

Deno.test("readProject() takes __proto__ as a key like any", async () => {
  await using project = await temporaryProject({
    "deno.json": '{"imports":{"__proto__":"npm:x@1"},"__proto__":{"vendor":true}}',
  });
  const { configs } = await readProject(project.path);
  assertEquals(configs[0]!.dependencies.map(({ alias }) => alias), ["__proto__"]);
  assertEquals(configs[0]!.value["vendor"], undefined);
});

Deno.test("readProject() refuses a configuration that is no regular file", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using project = await temporaryProject({});
  await Deno.symlink("/dev/zero", join(project.path, "deno.json"));
  await assertRejects(() => readProject(project.path), SecurityError, "is not a regular file");
});
