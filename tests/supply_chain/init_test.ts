import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { parse as parseJsonc } from "jsonc-parser";
import { SecurityError } from "../../src/errors.ts";
import { AUDIT_TASK, type InitFacts, initProject, planInit } from "../../src/supply_chain/init.ts";
import { parsePolicy } from "../../src/supply_chain/policy/policy_file.ts";

const NOTHING: InitFacts = {
  licenses: new Map(),
  unlicensed: [],
  registries: [],
  repositories: [],
  hosts: [],
  scopes: [],
};

function withTask(text: string): string | undefined {
  return planInit(NOTHING, { path: "deno.json", text }).config?.text;
}

Deno.test("planInit() writes a policy that fits the project", async () => {
  const { policy, config } = planInit({
    licenses: new Map([
      ["MIT", ["npm:a@1.0.0", "npm:b@1.0.0"]],
      ["(MIT OR GPL-2.0-only)", ["npm:c@1.0.0"]],
      ["GPL-3.0-only OR ISC", ["npm:d@1.0.0"]],
      ["Apache-2.0 AND MPL-2.0", ["npm:e@1.0.0", "npm:f@1.0.0", "npm:g@1.0.0", "npm:h@1.0.0"]],
      ["see the file", ["npm:i@1.0.0"]],
    ]),
    unlicensed: ["npm:j@1.0.0"],
    registries: ["npm", "jsr", "https://npm.example.com/"],
    repositories: ["https://github.com/acme/x"],
    hosts: ["esm.sh", "deno.land", "esm.sh"],
    scopes: ["@std"],
  });
  assertEquals([policy.path, config], ["deny.toml", null]);
  const { licenses, sources, notes } = await parsePolicy(policy.text, { path: "deny.toml" });
  assertEquals(notes, []);
  assertEquals(licenses.allow.map(({ text }) => text), ["Apache-2.0", "ISC", "MIT"]);
  assertEquals(licenses.unlicensed, "warn");
  assertStringIncludes(
    policy.text,
    '  # "MPL-2.0", # npm:e@1.0.0, npm:f@1.0.0, npm:g@1.0.0 and 1 more\n',
  );
  assertFalse(policy.text.includes("GPL-2.0") || policy.text.includes("GPL-3.0"));
  assertStringIncludes(policy.text, "No licence was recognised for npm:i@1.0.0, npm:j@1.0.0.");
  const texts = (list: readonly { text: string }[]) => list.map(({ text }) => text);
  assertEquals(texts(sources.allowRegistry), ["https://npm.example.com/", "jsr", "npm"]);
  assertEquals(texts(sources.allowGit), ["https://github.com/acme/x"]);
  assertEquals(texts(sources.allowHost), ["deno.land", "esm.sh"]);
  assertEquals([sources.allowScope, sources.unknownHost], [[], "deny"]);
  assertStringIncludes(policy.text, '# allow-scope = ["@std"]');
});

Deno.test("planInit() writes a valid policy for a project without dependencies", async () => {
  const policy = await parsePolicy(planInit(NOTHING).policy.text, { path: "deny.toml" });
  assertEquals([policy.licenses.allow, policy.licenses.unlicensed], [[], "deny"]);
  assertEquals([policy.sources.allowRegistry, policy.notes], [[], []]);
});

Deno.test("planInit() leaves passwords out of the policy", () => {
  const secret = "https://user:hunter2@npm.example.com/";
  const { policy } = planInit({ ...NOTHING, registries: [secret], repositories: [secret] });
  assertFalse(policy.text.includes("hunter2"));
});

Deno.test("planInit() writes a valid policy whatever the names in the project", async () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.constantFrom('"]\n[bans]\nallow = ["*"', "\u2028", "\x1b[2J", "'''", "\\", "\ud800", "\x7f"),
  );
  const list = fc.array(hostile, { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.oneof(hostile, fc.constantFrom("MIT", "MPL-2.0")), list),
      list,
      list,
      async (licenses, names, more) => {
        const { policy } = planInit({
          licenses: new Map(Object.entries(licenses)),
          unlicensed: names,
          registries: [...names, ...more.map((name) => `https://example.com/${name}`)],
          repositories: more.map((name) => `https://${name}`),
          hosts: names,
          scopes: names.map((name) => `@${name}`),
        });
        const read = await parsePolicy(policy.text, { path: "deny.toml" });
        assertEquals(read.bans.allow, []);
        // deno-lint-ignore no-control-regex
        assertFalse(/[\u0000-\u0009\u000b-\u001f\u007f\u2028]/.test(policy.text));
      },
    ),
    { seed: 18, numRuns: 500 },
  );
});

Deno.test("planInit() adds the task without disturbing comments or format", () => {
  const task = `"audit": "${AUDIT_TASK}"`;
  const table: readonly (readonly [string, string])[] = [
    ["{}", `{\n  "tasks": {\n    ${task}\n  }\n}`],
    [
      `{\n  // why\n  "name": "x" // the name\n}\n`,
      `{\n  // why\n  "name": "x", // the name\n  "tasks": {\n    ${task}\n  }\n}\n`,
    ],
    [
      `{\n\t"name": "x",\n\t"tasks": {\n\t\t"dev": "y" // dev\n\t}\n}\n`,
      `{\n\t"name": "x",\n\t"tasks": {\n\t\t"dev": "y", // dev\n\t\t${task}\n\t}\n}\n`,
    ],
    [
      `{\n    "tasks": {\n        "dev": "y", // dev\n        "ok": "z",\n    },\n}\n`,
      `{\n    "tasks": {\n        "dev": "y", // dev\n        "ok": "z",\n        ${task},\n    },\n}\n`,
    ],
    [
      `{\r\n  "tasks": {\r\n    "dev": "y"\r\n  }\r\n}\r\n`,
      `{\r\n  "tasks": {\r\n    "dev": "y",\r\n    ${task}\r\n  }\r\n}\r\n`,
    ],
    [
      `{\n  "tasks": { // all tasks\n    "dev": "y"\n  }\n}\n`,
      `{\n  "tasks": { // all tasks\n    "dev": "y",\n    ${task}\n  }\n}\n`,
    ],
    ['{ "name": "x" }', `{ "name": "x", "tasks": { ${task} } }`],
    ['{ "tasks": { "a": "b", } }', `{ "tasks": { "a": "b", ${task}, } }`],
    ["{\n}\n", `{\n  "tasks": {\n    ${task}\n  }\n}\n`],
    ['{\n  "tasks": {}\n}\n', `{\n  "tasks": {\n    ${task}\n  }\n}\n`],
    [
      '{\n  "tasks": {\n    // none, yet\n  }\n}\n',
      `{\n  "tasks": {\n    // none, yet\n    ${task}\n  }\n}\n`,
    ],
    [
      '{\n  "tasks": {\n    "a": "b" /* x, */ // y,\n    // z,\n  }\n}\n',
      `{\n  "tasks": {\n    "a": "b", /* x, */ // y,\n    // z,\n    ${task}\n  }\n}\n`,
    ],
  ];
  for (const [before, after] of table) {
    const result = withTask(before);
    assertEquals(result, after);
    assertEquals(withTask(result!), undefined);
  }
});

/** Whether `long` is `short` with text added. */
function isSubsequence(short: string, long: string): boolean {
  let at = 0;
  for (const character of long) if (character === short[at]) at++;
  return at === short.length;
}

Deno.test("planInit() only adds to deno.json, and keeps comments behind what they are about", () => {
  const comment = fc.constantFrom("", " // c1", " /* c2 */", "\n    // c3");
  const member = fc.tuple(fc.stringMatching(/^[a-z]{1,4}$/), comment);
  const members = fc.uniqueArray(member, { selector: ([key]) => key, maxLength: 3 });
  const config = fc.record({
    tasks: fc.option(members),
    others: members,
    trailing: fc.boolean(),
    opening: comment,
  }).map(({ tasks, others, trailing, opening }) => {
    const object = (list: readonly (readonly [string, string])[], value: string) =>
      `{${opening}\n` +
      list.map(([key, comment], index) =>
        `    "${key}": ${value}${trailing || index < list.length - 1 ? "," : ""}${comment}\n`
      ).join("") + "  }";
    const parts = others.map(([key]) => `  "o-${key}": 1`);
    if (tasks) parts.push(`  "tasks": ${object(tasks, '"run"')}`);
    return `{\n${parts.join(",\n")}\n}\n`;
  });
  fc.assert(
    fc.property(config, (before) => {
      const after = withTask(before);
      assert(after !== undefined);
      const expected = parseJsonc(before, [], { allowTrailingComma: true });
      expected.tasks = { ...expected.tasks, audit: AUDIT_TASK };
      assertEquals(parseJsonc(after, [], { allowTrailingComma: true }), expected);
      assert(isSubsequence(before, after));
      // A comment behind a member must still stand behind it.
      for (const [line] of before.matchAll(/"[a-z-]+": "run",? \/[/*].*/g)) {
        assertStringIncludes(after.replaceAll(",", ""), line.replaceAll(",", ""));
      }
    }),
    { seed: 19, numRuns: 500 },
  );
});

Deno.test("planInit() never touches a task of that name", () => {
  for (const task of ['"deno run x.ts"', '{ "command": "x" }', "null", '""']) {
    assertEquals(withTask(`{ "tasks": { "audit": ${task} } }`), undefined);
  }
});

Deno.test("planInit() refuses a deno.json that it does not understand", () => {
  for (const text of ["", "[]", "{", '{ "tasks": [] }', '{ "tasks": "x" }', "{ 'a': 1 }"]) {
    const error = assertThrows(() => withTask(text), SecurityError);
    assertEquals(error.code, "project-unreadable");
    assert(error.message.startsWith("deno.json: "));
  }
  // Which of two objects counts depends on the reader, so neither is edited.
  const twice = '{ "tasks": { "a": "b" }, "tasks": { "c": "d" } }';
  const error = assertThrows(() => withTask(twice), SecurityError);
  assertStringIncludes(error.message, "tasks stands in it twice");
});

async function inFolder(run: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await run(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function names(root: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name).sort();
}

Deno.test("initProject() writes deny.toml and the task, and nothing else", async () => {
  await inFolder(async (root) => {
    await Deno.writeTextFile(`${root}/deno.jsonc`, "{\n  // c\n}\n");
    const plan = await initProject({ root, facts: NOTHING });
    assertEquals(await names(root), ["deno.jsonc", "deny.toml"]);
    assertEquals(await Deno.readTextFile(`${root}/deny.toml`), plan.policy!.text);
    const text = await Deno.readTextFile(`${root}/deno.jsonc`);
    assertEquals(text, plan.config!.text);
    assertStringIncludes(text, "// c");
    assertStringIncludes(text, AUDIT_TASK);
  });
});

Deno.test("initProject() does not overwrite a deny.toml", async () => {
  await inFolder(async (root) => {
    const config = '{ "tasks": { "audit": "x" } }\n';
    await Deno.writeTextFile(`${root}/deny.toml`, "# mine\n");
    await Deno.writeTextFile(`${root}/deno.json`, config);
    const error = await assertRejects(() => initProject({ root, facts: NOTHING }), SecurityError);
    assertEquals(error.code, "output-refused");
    assertEquals(await Deno.readTextFile(`${root}/deny.toml`), "# mine\n");
    assertEquals(await Deno.readTextFile(`${root}/deno.json`), config);
    assertEquals(await names(root), ["deno.json", "deny.toml"]);
  });
});

Deno.test("initProject() adds the task where there is a deny.toml, and leaves that as it is", async () => {
  await inFolder(async (root) => {
    await Deno.writeTextFile(`${root}/deny.toml`, "# mine\n");
    await Deno.writeTextFile(`${root}/deno.json`, "{}\n");
    const { policy, config, hasTask } = await initProject({ root, facts: NOTHING });
    assertEquals([policy, config?.path, hasTask], [null, "deno.json", true]);
    assertEquals(await Deno.readTextFile(`${root}/deny.toml`), "# mine\n");
    assertStringIncludes(await Deno.readTextFile(`${root}/deno.json`), AUDIT_TASK);
  });
});

Deno.test("initProject() writes a deny.toml where there is no deno.json", async () => {
  await inFolder(async (root) => {
    await Deno.writeTextFile(`${root}/package.json`, "{}\n");
    const { policy, config, hasTask } = await initProject({ root, facts: NOTHING });
    assertEquals([policy?.path, config, hasTask], ["deny.toml", null, false]);
    assertEquals(await names(root), ["deny.toml", "package.json"]);
    const error = await assertRejects(() => initProject({ root, facts: NOTHING }), SecurityError);
    assertStringIncludes(error.message, "there is no deno.json to add the task to");
  });
});

Deno.test("initProject() writes nothing when deno.json cannot be changed", async () => {
  await inFolder(async (root) => {
    await Deno.writeTextFile(`${root}/deno.json`, "[]");
    await assertRejects(() => initProject({ root, facts: NOTHING }), SecurityError);
    assertEquals(await names(root), ["deno.json"]);
  });
});

Deno.test({
  name: "initProject() does not follow a deno.json that is a symbolic link",
  ignore: Deno.build.os === "windows",
  async fn() {
    await inFolder(async (root) => {
      await Deno.mkdir(`${root}/project`);
      await Deno.writeTextFile(`${root}/other.json`, "{}");
      await Deno.symlink("../other.json", `${root}/project/deno.json`);
      const error = await assertRejects(
        () => initProject({ root: `${root}/project`, facts: NOTHING }),
        SecurityError,
      );
      assertEquals(error.code, "output-refused");
      assertEquals(await Deno.readTextFile(`${root}/other.json`), "{}");
      assertEquals(await names(`${root}/project`), ["deno.json"]);
    });
  },
});

Deno.test("initProject() leaves deno.json as it was when writing fails", async () => {
  await inFolder(async (root) => {
    await Deno.writeTextFile(`${root}/deno.json`, "{}");
    const written: string[] = [];
    const write = (path: string, _text: string, { createNew }: { createNew: boolean }) => {
      written.push(path.slice(root.length + 1));
      return createNew ? Promise.resolve() : Promise.reject(new Error("disk full"));
    };
    await assertRejects(() => initProject({ root, facts: NOTHING, write }), Error, "disk full");
    assertEquals(written, ["deny.toml", "deno.json"]);
    assertEquals(await Deno.readTextFile(`${root}/deno.json`), "{}");
  });
});
