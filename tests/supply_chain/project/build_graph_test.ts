import { assertEquals } from "@std/assert";
import { buildGraph } from "../../../src/supply_chain/project/build_graph.ts";
import { parseLockfile } from "../../../src/supply_chain/project/lockfile.ts";
import { PathFinder } from "../../../src/supply_chain/project/paths.ts";
import { readProject } from "../../../src/supply_chain/project/read_project.ts";
import { temporaryProject } from "../fixture.ts";

async function graphOf(files: Readonly<Record<string, unknown>>) {
  await using folder = await temporaryProject(files);
  const project = await readProject(folder.path);
  const lock = files["deno.lock"];
  return buildGraph(project, lock ? parseLockfile(JSON.stringify(lock), "deno.lock") : null);
}

const labels = (nodes: readonly { readonly label: string }[]) => nodes.map(({ label }) => label);

const lock = {
  version: "5",
  specifiers: {
    "npm:a@1": "1.0.0_p@1.0.0",
    "npm:a@^1.0.0": "1.0.0_p@2.0.0",
    "jsr:@s/n@1": "1.0.0",
    "npm:inline@*": "3.0.0",
  },
  jsr: { "@s/n@1.0.0": { integrity: "x", dependencies: ["npm:a@1"] } },
  npm: {
    "a@1.0.0_p@1.0.0": { integrity: "x", dependencies: ["p@1.0.0"] },
    "a@1.0.0_p@2.0.0": { dependencies: ["p@2.0.0"], deprecated: true, scripts: true },
    "p@1.0.0": { integrity: "x" },
    "p@2.0.0": { integrity: "x", dependencies: ["deep"] },
    "deep@1.0.0": { integrity: "x" },
    "inline@3.0.0": { integrity: "x" },
    "circle-a@1.0.0": { integrity: "x", dependencies: ["circle-b"] },
    "circle-b@1.0.0": { integrity: "x", dependencies: ["circle-a"] },
  },
  remote: {
    "https://deno.land/std@0.1.0/a.ts": "x",
    "https://deno.land/std@0.1.0/b.ts": "x",
    "https://esm.sh/lodash@4.17.21/index.js": "x",
  },
  redirects: { "https://esm.sh/lodash@4": "https://esm.sh/lodash@4.17.21/index.js" },
  workspace: {
    dependencies: ["jsr:@s/n@1"],
    packageJson: { dependencies: ["npm:a@1", "npm:a@^1.0.0"] },
  },
};

Deno.test("buildGraph() joins variants that differ in peers only", async () => {
  const graph = await graphOf({ "deno.json": {}, "deno.lock": lock });
  const a = graph.packages.find(({ name }) => name === "a")!;
  assertEquals(a.label, "npm:a@1.0.0");
  assertEquals([a.entries, a.hasIntegrity, a.deprecated, a.scripts], [2, false, true, true]);
  assertEquals(labels(a.dependencies), ["npm:p@1.0.0", "npm:p@2.0.0"]);
});

Deno.test("buildGraph() groups remote modules and maps CDNs to npm", async () => {
  const graph = await graphOf({
    "deno.json": { imports: { lodash: "https://esm.sh/lodash@4" } },
    "deno.lock": lock,
  });
  const https = graph.packages.filter(({ kind }) => kind === "https");
  assertEquals(labels(https), ["https:deno.land/std@0.1.0", "https:esm.sh/lodash@4.17.21"]);
  assertEquals(https.map(({ entries }) => entries), [2, 1]);
  assertEquals(https[1]!.npm, { name: "lodash", version: "4.17.21" });
  // The import map names the range, and the redirect leads to the version.
  assertEquals(labels(https[1]!.dependents), ["file:deno.json"]);
});

Deno.test("buildGraph() gives every package a path from a file of the project", async () => {
  const graph = await graphOf({ "deno.json": {}, "package.json": {}, "deno.lock": lock });
  const finder = new PathFinder(graph);
  const paths = Object.fromEntries(
    graph.packages.map((node) => [node.name, finder.shortest(node)]),
  );
  assertEquals(paths["deep"], [
    "file:package.json",
    "npm:a@1.0.0",
    "npm:p@2.0.0",
    "npm:deep@1.0.0",
  ]);
  assertEquals(paths["inline"], ["file:deno.lock", "npm:inline@3.0.0"]);
  assertEquals(paths["circle-b"], ["file:deno.lock", "npm:circle-a@1.0.0", "npm:circle-b@1.0.0"]);
  assertEquals(graph.packages.every((node) => finder.shortest(node)[0]!.startsWith("file:")), true);
  assertEquals(graph.undeclared.map(({ specifier }) => specifier), [
    "npm:inline@*",
    "https://deno.land/std@0.1.0/a.ts",
    "https://esm.sh/lodash@4.17.21/index.js",
    "npm:circle-a@1.0.0",
  ]);
});

Deno.test("buildGraph() compares requests by what their ranges mean", async () => {
  const locked = {
    ...lock,
    workspace: { dependencies: ["npm:a@1", "npm:q@~0.8.3", "npm:gone@1"] },
  };
  const graph = await graphOf({
    "deno.json": { imports: { a: "npm:a@^1.0.0/sub", q: "npm:q@^0.8.3", new: "jsr:@new/new@1" } },
    "deno.lock": locked,
  });
  assertEquals(graph.unlocked.map(({ declared }) => declared.specifier), ["jsr:@new/new@1"]);
  assertEquals(graph.stale, [{ member: "", specifier: "npm:gone@1" }]);
});

Deno.test("buildGraph() takes a lockfile without a workspace for one that asks for nothing", async () => {
  const files = { "deno.json": { imports: { a: "npm:a@1" } } };
  const { workspace: _, ...rest } = lock;
  const graph = await graphOf({ ...files, "deno.lock": rest });
  assertEquals(graph.unlocked.map(({ declared }) => declared.specifier), ["npm:a@1"]);
  // Version 3 did not always record one.
  const old = { version: "3", packages: { specifiers: {} } };
  assertEquals((await graphOf({ ...files, "deno.lock": old })).unlocked, []);
});

Deno.test("buildGraph() misses a module that is declared and not locked, but no prefix", async () => {
  const graph = await graphOf({
    "deno.json": {
      imports: {
        gone: "https://deno.land/x/gone@v1.0.0/mod.ts",
        prefix: "https://deno.land/x/other@v1.0.0/",
        there: "https://deno.land/std@0.1.0/a.ts",
      },
    },
    "deno.lock": { ...lock, workspace: {} },
  });
  assertEquals(graph.unlocked.map(({ declared }) => declared.alias), ["gone"]);
});

Deno.test("buildGraph() names what a request was resolved to and the lockfile lacks", async () => {
  const graph = await graphOf({
    "deno.json": { imports: { a: "npm:a1@1" } },
    "deno.lock": {
      version: "5",
      specifiers: { "npm:a1@1": "1.0.0", "jsr:@s/unused@1": "1.0.0" },
      workspace: { dependencies: ["npm:a1@1"] },
    },
  });
  assertEquals(graph.missing.map(({ from, to }) => `${from.label} ${to}`), [
    "file:deno.lock a1@1.0.0",
  ]);
});

Deno.test("buildGraph() lets nothing hide behind what is no address", async () => {
  const graph = await graphOf({
    "deno.json": {},
    "deno.lock": {
      version: "5",
      remote: {
        "esm.sh/lodash@4.17.20": "x",
        "https://esm.sh/lodash@4.17.20/lodash.mjs": "x",
      },
    },
  });
  assertEquals(graph.packages.map(({ label, npm }) => [label, npm?.name]), [
    ['https:"esm.sh/lodash@4.17.20"', undefined],
    ["https:esm.sh/lodash@4.17.20", "lodash"],
  ]);
});

Deno.test("buildGraph() lets no unencrypted module hide behind an encrypted one", async () => {
  const graph = await graphOf({
    "deno.json": {},
    "deno.lock": {
      version: "5",
      remote: {
        "https://x.example/a.ts": "x",
        "http://x.example/b.ts": "x",
        "https://x.example/c.ts": "x",
      },
    },
  });
  assertEquals(graph.packages.map(({ url, entries }) => [url, entries]), [[
    "http://x.example/b.ts",
    3,
  ]]);
});

Deno.test("buildGraph() lets a folder that is called like a package stand for no package", async () => {
  const graph = await graphOf({
    "deno.json": { imports: { a: "npm:a@1" }, links: ["a"] },
    "deno.lock": { ...lock, workspace: { dependencies: ["npm:a@1"] } },
  });
  assertEquals([...graph.linked], []);
  const a = graph.packages.find(({ label }) => label === "npm:a@1.0.0")!;
  assertEquals(labels(a.dependents).includes("file:deno.json"), true);
});

Deno.test("buildGraph() makes what shipped modules import directly no development package", async () => {
  const files = {
    "package.json": { devDependencies: { a: "1", "a-too": "npm:a@^1.0.0" } },
    "deno.lock": {
      ...lock,
      jsr: {},
      workspace: { packageJson: { dependencies: ["npm:a@1", "npm:a@^1.0.0"] } },
    },
  };
  await using folder = await temporaryProject(files);
  const project = await readProject(folder.path);
  const parsed = parseLockfile(JSON.stringify(files["deno.lock"]), "deno.lock");
  const isDev = (specifiers: readonly string[]) =>
    buildGraph(project, parsed, { shippedSpecifiers: specifiers }).packages
      .find(({ label }) => label === "npm:a@1.0.0")!.dev;
  assertEquals([isDev([]), isDev(["npm:a@1/sub"])], [true, false]);
});

Deno.test("PathFinder never joins variants of a package into a path that is none", async () => {
  // Only `far` brings the variant of `v` that depends on `p@1.0.0`.
  const graph = await graphOf({
    "deno.json": {},
    "deno.lock": {
      version: "5",
      specifiers: { "npm:v@1": "1.0.0_p@2.0.0", "npm:far@1": "1.0.0" },
      npm: {
        "v@1.0.0_p@1.0.0": { integrity: "x", dependencies: ["p@1.0.0"] },
        "v@1.0.0_p@2.0.0": { integrity: "x", dependencies: ["p@2.0.0"] },
        "p@1.0.0": { integrity: "x" },
        "p@2.0.0": { integrity: "x" },
        "far@1.0.0": { integrity: "x", dependencies: ["near"] },
        "near@1.0.0": { integrity: "x", dependencies: ["v@1.0.0_p@1.0.0"] },
      },
      workspace: { dependencies: ["npm:v@1", "npm:far@1"] },
    },
  });
  const p = graph.packages.find(({ label }) => label === "npm:p@1.0.0")!;
  const path = ["file:deno.json", "npm:far@1.0.0", "npm:near@1.0.0", "npm:v@1.0.0", "npm:p@1.0.0"];
  assertEquals(new PathFinder(graph).shortest(p), path);
  assertEquals(new PathFinder(graph).all(p, 10), { paths: [path], complete: true });
});

Deno.test("PathFinder prefers a path from a declaration to the lockfile itself", async () => {
  const graph = await graphOf({
    "deno.json": {},
    "deno.lock": {
      version: "5",
      specifiers: { "npm:a@1": "1.0.0", "npm:inline@1": "1.0.0" },
      npm: {
        "a@1.0.0": { dependencies: ["b"] },
        "b@1.0.0": { dependencies: ["c"] },
        "c@1.0.0": {},
        "inline@1.0.0": { dependencies: ["c"] },
      },
      workspace: { dependencies: ["npm:a@1"] },
    },
  });
  const c = graph.packages.find(({ name }) => name === "c")!;
  const finder = new PathFinder(graph);
  assertEquals(finder.shortest(c)[0], "file:deno.json");
  assertEquals(finder.all(c, 10).paths.length, 2);
});

Deno.test("buildGraph() marks what only development needs", async () => {
  const graph = await graphOf({
    "package.json": {
      dependencies: { p: "1" },
      devDependencies: { a: "1", "a-too": "npm:a@^1.0.0" },
    },
    "deno.lock": {
      ...lock,
      specifiers: { ...lock.specifiers, "npm:p@1": "1.0.0" },
      jsr: {},
      workspace: { packageJson: { dependencies: ["npm:a@1", "npm:a@^1.0.0", "npm:p@1"] } },
    },
  });
  const dev = graph.packages.filter(({ dev }) => dev);
  assertEquals(labels(dev), ["npm:a@1.0.0", "npm:deep@1.0.0", "npm:p@2.0.0"]);
});

Deno.test("buildGraph() answers requests for links by the link", async () => {
  const graph = await graphOf({
    "deno.json": { imports: { l: "jsr:@l/l@1" }, links: ["../l"] },
    "deno.lock": {
      ...lock,
      workspace: {
        dependencies: ["jsr:@l/l@1"],
        links: { "jsr:@l/l@1.2.3": { dependencies: ["npm:a@1"] } },
      },
    },
  });
  const link = graph.packages.filter(({ kind }) => kind === "link");
  assertEquals(labels(link), ["link:@l/l@1.2.3"]);
  assertEquals(labels(link[0]!.dependencies), ["npm:a@1.0.0"]);
  assertEquals(labels(link[0]!.dependents), ["file:deno.json"]);
});

Deno.test("buildGraph() counts a link that no lockfile names", async () => {
  const graph = await graphOf({ "deno.json": { links: ["../l"] } });
  assertEquals(labels(graph.packages), ["link:../l"]);
});

Deno.test("buildGraph() names dependencies that the lockfile lacks", async () => {
  const graph = await graphOf({
    "deno.json": {},
    "deno.lock": {
      version: "5",
      specifiers: {},
      npm: { "a@1.0.0": { integrity: "x", dependencies: ["b@2.0.0"] } },
      jsr: { "@s/n@1.0.0": { integrity: "x", dependencies: ["npm:z@1"] } },
    },
  });
  assertEquals(graph.missing.map(({ from, to }) => `${from.label} ${to}`), [
    "npm:a@1.0.0 b@2.0.0",
    "jsr:@s/n@1.0.0 npm:z@1",
  ]);
});

Deno.test("PathFinder lists all paths, shortest first, up to the limit", async () => {
  const graph = await graphOf({ "deno.json": {}, "package.json": {}, "deno.lock": lock });
  const finder = new PathFinder(graph);
  const p = graph.packages.find(({ label }) => label === "npm:p@1.0.0")!;
  assertEquals(finder.all(p, 10).paths, [
    ["file:package.json", "npm:a@1.0.0", "npm:p@1.0.0"],
    ["file:deno.json", "jsr:@s/n@1.0.0", "npm:a@1.0.0", "npm:p@1.0.0"],
  ]);
  assertEquals(finder.all(p, 1), {
    paths: [["file:package.json", "npm:a@1.0.0", "npm:p@1.0.0"]],
    complete: false,
  });
  assertEquals(finder.isOnlyThrough(p, "npm:a@1.0.0"), true);
  assertEquals(finder.isOnlyThrough(p, "jsr:@s/n@1.0.0"), false);
});

Deno.test("PathFinder lists paths up to the limit when there are more than can be listed", async () => {
  // A ladder of n rungs has 2^n paths.
  const npm: Record<string, unknown> = {};
  for (let rung = 0; rung < 60; rung++) {
    const next = rung === 59 ? [] : [`l${rung + 1}@1.0.0`, `r${rung + 1}@1.0.0`];
    for (const side of ["l", "r"]) {
      npm[`${side}${rung}@1.0.0`] = { integrity: "x", dependencies: next };
    }
  }
  const specifiers = { "npm:l0@1": "1.0.0", "npm:r0@1": "1.0.0" };
  const workspace = { dependencies: Object.keys(specifiers) };
  const graph = await graphOf({
    "deno.json": {},
    "deno.lock": { version: "5", specifiers, npm, workspace },
  });
  const last = graph.packages.find(({ name }) => name === "l59")!;
  const { paths, complete } = new PathFinder(graph).all(last, 100);
  assertEquals([paths.length, complete], [100, false]);
  assertEquals(new Set(paths.map((path) => path.join())).size, 100);
  assertEquals(new PathFinder(graph).shortest(last).length, 61);
});

Deno.test("PathFinder shows both ends of a very long path", async () => {
  const npm: Record<string, unknown> = {};
  for (let link = 0; link < 500; link++) {
    npm[`c${link}@1.0.0`] = { dependencies: link === 499 ? [] : [`c${link + 1}@1.0.0`] };
  }
  const graph = await graphOf({
    "deno.json": {},
    "deno.lock": {
      version: "5",
      specifiers: { "npm:c0@1": "1.0.0" },
      npm,
      workspace: { dependencies: ["npm:c0@1"] },
    },
  });
  const finder = new PathFinder(graph);
  const path = (link: number) =>
    finder.shortest(graph.packages.find(({ name }) => name === `c${link}`)!);
  assertEquals(path(98).length, 100);
  assertEquals(path(98).some((label) => label.startsWith("…")), false);
  const long = path(499);
  assertEquals(long.length, 100);
  assertEquals([long[0], long[1], long.at(-1)], [
    "file:deno.json",
    "npm:c0@1.0.0",
    "npm:c499@1.0.0",
  ]);
  const shown = long.filter((label) => !label.startsWith("…")).length;
  assertEquals(long.filter((label) => label === `… ${501 - shown} more …`).length, 1);
});

Deno.test("PathFinder.isOnlyThrough() takes labels, files and folders", async () => {
  const graph = await graphOf({
    "deno.json": { workspace: ["./m/x", "./m/y", "./other"] },
    "m/x/deno.json": { imports: { a: "npm:a@1" } },
    "m/y/deno.json": { imports: { a: "npm:a@1" } },
    "other/deno.json": { imports: { b: "npm:b@1" } },
    "deno.lock": {
      version: "5",
      specifiers: { "npm:a@1": "1.0.0", "npm:b@1": "1.0.0" },
      npm: { "a@1.0.0": {}, "b@1.0.0": { dependencies: ["c"] }, "c@1.0.0": {} },
      workspace: {
        members: {
          "m/x": { dependencies: ["npm:a@1"] },
          "m/y": { dependencies: ["npm:a@1"] },
          other: { dependencies: ["npm:b@1"] },
        },
      },
    },
  });
  const finder = new PathFinder(graph);
  const through = (name: string, label: string) =>
    finder.isOnlyThrough(graph.packages.find((node) => node.name === name)!, label);
  for (const label of ["m", "m/", "./m", "file:m"]) assertEquals(through("a", label), true, label);
  for (const label of ["m/x", "file:m/x/deno.json", "other", "mm"]) {
    assertEquals(through("a", label), false, label);
  }
  for (const label of ["other", "file:other/deno.json", "other/deno.json", "npm:b@1.0.0"]) {
    assertEquals(through("c", label), true, label);
  }
});

Deno.test("buildGraph() marks what is for other platforms only", async () => {
  const graph = await graphOf({
    "deno.lock": {
      version: "5",
      npm: {
        "anywhere@1.0.0": { os: [], cpu: [] },
        "elsewhere@1.0.0": { os: ["sunos"] },
        "excluded@1.0.0": { os: ["!linux", "!darwin", "!win32", "!android", "!freebsd"] },
        "here@1.0.0": { os: ["!sunos"], cpu: ["x64", "arm64"] },
        "processor@1.0.0": { cpu: ["mips"] },
      },
    },
  });
  const foreign = graph.packages.filter(({ foreign }) => foreign);
  assertEquals(foreign.map(({ name }) => name), ["elsewhere", "excluded", "processor"]);
});
