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
  workspace: { dependencies: ["jsr:@s/n@1"], packageJson: { dependencies: ["npm:a@1"] } },
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

Deno.test("buildGraph() marks what only development needs", async () => {
  const graph = await graphOf({
    "package.json": { dependencies: { p: "1" }, devDependencies: { a: "1" } },
    "deno.lock": {
      ...lock,
      specifiers: { ...lock.specifiers, "npm:p@1": "1.0.0" },
      jsr: {},
      workspace: { packageJson: { dependencies: ["npm:a@1", "npm:p@1"] } },
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
  assertEquals(finder.all(p, 10), [
    ["file:package.json", "npm:a@1.0.0", "npm:p@1.0.0"],
    ["file:deno.json", "jsr:@s/n@1.0.0", "npm:a@1.0.0", "npm:p@1.0.0"],
  ]);
  assertEquals(finder.all(p, 1).length, 1);
  assertEquals(finder.isOnlyThrough(p, "npm:a@1.0.0"), true);
  assertEquals(finder.isOnlyThrough(p, "jsr:@s/n@1.0.0"), false);
});

Deno.test("PathFinder stays bounded when there are more paths than can be listed", async () => {
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
  assertEquals(new PathFinder(graph).all(last, 100).length <= 100, true);
  assertEquals(new PathFinder(graph).shortest(last).length, 61);
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
