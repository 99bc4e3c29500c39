import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseYaml, type Yaml } from "./_yaml_subset.ts";

const FOLDER = new URL("../.github/workflows/", import.meta.url);

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string>>;
}

interface Job {
  readonly "runs-on": string;
  readonly "timeout-minutes": string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly name: string;
  readonly on: Yaml;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

async function workflow(name: string): Promise<Workflow> {
  return parseYaml(await Deno.readTextFile(new URL(name, FOLDER))) as unknown as Workflow;
}

function runs(job: Job | undefined): string[] {
  return (job?.steps ?? []).flatMap(({ run }) => run ?? []);
}

Deno.test("every workflow has least permissions, a time limit and pinned actions", async () => {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();
  assertEquals(names, ["ci.yml", "release.yml"]);
  for (const name of names) {
    const { permissions, jobs } = await workflow(name);
    assertEquals(permissions, { contents: "read" });
    for (const job of Object.values(jobs)) {
      assertMatch(job["timeout-minutes"], /^\d+$/);
      assert(job.steps.length > 0);
      for (const step of job.steps) {
        assertEquals(Number(step.uses !== undefined) + Number(step.run !== undefined), 1);
        if (step.uses !== undefined) assertMatch(step.uses, /^(actions|denoland)\/[\w-]+@v\d+$/);
        // An untrusted branch or tag name in a script would be code there.
        if (step.run !== undefined) assertEquals(step.run.includes("${{"), false);
      }
    }
  }
});

Deno.test("the CI workflow checks on three systems with two versions of Deno", async () => {
  const { jobs } = await workflow("ci.yml");
  assertEquals(jobs.check?.strategy?.matrix, {
    os: ["ubuntu-latest", "macos-latest", "windows-latest"],
    deno: ["v2.9.x", "latest"],
  });
  assertEquals(runs(jobs.check), ["deno task ok"]);
});

Deno.test("the CI workflow runs the README's commands as they stand there", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  const { jobs } = await workflow("ci.yml");
  assertEquals(runs(jobs.bare).length, 2);
  for (const command of runs(jobs.bare)) assert(readme.includes(command), command);
});

Deno.test("the release workflow audits completely before it publishes by OIDC", async () => {
  const { on, jobs } = await workflow("release.yml");
  assertEquals(on, { push: { tags: ["v*"] } });
  assertEquals(jobs.publish?.permissions, { "contents": "read", "id-token": "write" });
  const commands = runs(jobs.publish);
  assertEquals(commands.slice(1), [
    "deno task ok",
    "deno task audit --require-complete",
    "deno publish",
  ]);
});

Deno.test("parseYaml() reads what the workflows are made of", () => {
  const source = '# comment\na: b c\nlist: [x, "y z"]\nnone:\nsteps:\n  - uses: d\n    with:\n' +
    "      e: 1\n  - run: f\n";
  assertEquals(parseYaml(source), {
    a: "b c",
    list: ["x", "y z"],
    none: null,
    steps: [{ uses: "d", with: { e: "1" } }, { run: "f" }],
  });
});

for (
  const [what, source] of [
    ["a tab", "a:\n\tb: c\n"],
    ["a key twice", "a: b\na: c\n"],
    ["a wrong indentation", "a:\n   b: c\n"],
    ["a deeper line below a scalar", "a: b\n  c: d\n"],
    ["an unclosed quote", 'a: "b\n'],
    ["a mapping in a scalar", "a: b: c\n"],
    ["an anchor", "a: &b c\n"],
    ["a block scalar", "a: |\n  b\n"],
    ["a flow mapping", "a: { b: c }\n"],
    ["a comment after a value", "a: b # c\n"],
  ] as const
) {
  Deno.test(`parseYaml() refuses ${what}`, () => {
    assertThrows(() => parseYaml(source), SyntaxError, "line ");
  });
}
