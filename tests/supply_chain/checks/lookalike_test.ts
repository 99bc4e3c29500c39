import { assertEquals } from "@std/assert";
import { LookalikeFinder, lookalikesOf } from "../../../src/supply_chain/checks/_lookalike.ts";
import {
  ESTABLISHED_NPM,
  FAMOUS_NPM,
  FAMOUS_SHORT_NPM,
  POPULAR_NPM,
} from "../../../src/supply_chain/checks/_popular_names.ts";

const npm = lookalikesOf("npm");

Deno.test("find() names the popular package when another is one edit away from it", () => {
  const cases = [
    ...[["lodahs", "lodash"], ["lodas", "lodash"], ["lodashh", "lodash"], ["1odash", "lodash"]],
    ...[["momnet", "moment"], ["requst", "request"], ["jquerry", "jquery"], ["vuee", "vue"]],
    ...[["underscor", "underscore"], ["angularr", "angular"], ["zodd", "zod"]],
    ...[["nodemonn", "nodemon"], ["@bable/core", "@babel/core"], ["@type/node", "@types/node"]],
  ];
  for (const [name, popular] of cases) assertEquals(npm.find(name!), popular, name);
  assertEquals(lookalikesOf("jsr").find("@sdt/assert"), "@std/assert");
});

Deno.test("find() names the popular package when another is spelled like it", () => {
  const cases = [
    ...[["LODASH", "lodash"], ["lo_dash", "lodash"], ["lodash.js", "lodash"], [
      "lodashjs",
      "lodash",
    ]],
    ...[["js-lodash", "lodash"], ["crossenv", "cross-env"], ["Cross.Env-JS", "cross-env"]],
    ...[["l\u043edash", "lodash"], ["\uff4c\uff4f\uff44ash", "lodash"], ["lodash\u200b", "lodash"]],
    ...[["rnoment", "moment"], ["@types-node/node", "@types/node"], ["@babe1/core", "@babel/core"]],
    ...[["@typ\u0435s/node", "@types/node"], ["jest-", "jest"]],
  ];
  for (const [name, popular] of cases) assertEquals(npm.find(name!), popular, name);
});

Deno.test("find() finds nothing about well-known and short names", () => {
  const known = [
    "lodash",
    "zod",
    "bcryptjs",
    "preact",
    "vuex",
    "postcss-js",
    "csv-parser",
    "mysql2",
  ];
  for (const name of [...known, "opt", "good", "ns", "", "@", "@/", "-", "an-unlike-name"]) {
    assertEquals(npm.find(name), undefined, name);
    assertEquals(npm.suspicion(name), undefined, name);
  }
});

Deno.test("suspicion() says why, also of characters that no registry allows", () => {
  const finder = new LookalikeFinder({ popular: ["lodash"] });
  assertEquals(
    finder.suspicion("lodahs"),
    "is one edit away from lodash, which far more projects use",
  );
  assertEquals(
    finder.suspicion("lo-dash"),
    "is another spelling of lodash, which far more projects use",
  );
  assertEquals(finder.suspicion("p\u00f6kemon"), "has characters that no name in the registry has");
  assertEquals(finder.suspicion("pokemon"), undefined);
});

Deno.test("the lists have no name twice, and no short name that is not meant to be one", () => {
  const all = [...POPULAR_NPM, ...FAMOUS_NPM, ...ESTABLISHED_NPM];
  assertEquals(all.filter((name, index) => all.indexOf(name) !== index), []);
  assertEquals(FAMOUS_NPM.filter(({ length }) => length < 5), []);
  assertEquals(new Set(FAMOUS_SHORT_NPM).size, FAMOUS_SHORT_NPM.length);
});

const locks = "../shared/cases/locks";

Deno.test("suspicion() has none about the packages of real lockfiles", async () => {
  const folders = await Array.fromAsync(Deno.readDir(locks)).catch(() => undefined);
  if (folders === undefined) {
    console.log(`skipped: there is no ${locks}`);
    return;
  }
  const finders = { npm, jsr: lookalikesOf("jsr") };
  const names = new Set<string>();
  for (const { name, isDirectory } of folders) {
    if (!isDirectory) continue;
    const lock = JSON.parse(await Deno.readTextFile(`${locks}/${name}/deno.lock`));
    for (const kind of ["npm", "jsr"] as const) {
      const packages: Readonly<Record<string, unknown>> = (lock.packages ?? lock)[kind] ?? {};
      for (const id of Object.keys(packages)) {
        names.add(`${kind}:${id.slice(0, id.indexOf("@", 1))}`);
      }
    }
  }
  assertEquals(names.size > 2000, true);
  const suspicious = [...names].filter((name) => {
    const kind = name.startsWith("npm:") ? "npm" : "jsr";
    return finders[kind].suspicion(name.slice(4)) !== undefined;
  });
  assertEquals(suspicious, []);
});
