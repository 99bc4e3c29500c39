import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { SecurityError } from "../../../src/errors.ts";
import { readProject } from "../../../src/supply_chain/project/read_project.ts";
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

Deno.test("readProject() reads a local import map and leaves others alone", async () => {
  await using project = await temporaryProject({
    "deno.json": { importMap: "./map.json" },
    "map.json": { imports: { a: "npm:a@1" } },
    "far/deno.json": { importMap: "https://x.example/map.json" },
    "out/deno.json": { importMap: "../map.json" },
  });
  const read = await readProject(project.path);
  assertEquals(specifiers(read, "map.json"), ["npm:a@1"]);
  for (const folder of ["far", "out"]) {
    assertEquals((await readProject(join(project.path, folder))).configs.length, 1);
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

Deno.test("readProject() says where a configuration is wrong", async () => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    ['{\n  "imports": {,}', "deno.json:2:15: expected JSON"],
    ["[]", "deno.json:1:1: expected an object"],
    ["", "deno.json:1:1: expected"],
    ["[".repeat(200_000), "deno.json: nested too deeply"],
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
