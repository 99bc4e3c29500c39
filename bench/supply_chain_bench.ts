/**
 * The auditor as a whole process, start included: a real project against the peer that reads
 * deno.lock, twenty times its size, and what a database of 200,000 advisories adds.
 *
 * Run with `deno task bench`; published results are in bench/README.md.
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { CASES } from "../tests/supply_chain/cases.ts";
import { writeDatabase } from "./_advisories.ts";
import { writeProject } from "./_project.ts";

const PACKAGES = 2_500;
const RECORDS = 200_000;
const CDXGEN = "@cyclonedx/cdxgen@12.8.4";

const here = (path: string) => fromFileUrl(new URL(path, import.meta.url));
const cases = fromFileUrl(CASES).replace(/[\\/]$/, "");
const folder = await Deno.makeTempDir({ prefix: "bartizan-bench-" });

addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** Runs a program to its end. An audit ends with 1 when it finds something, which is not a failure. */
async function run(name: string, command: string, args: readonly string[]): Promise<void> {
  const { code } = await new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    env: { CI: "true", FETCH_LICENSE: "false" },
  }).output();
  if (code > 1 && code !== 3) throw new Error(`${name} ended with ${code}`);
}

function audit(name: string, ...args: readonly string[]): Promise<void> {
  const module = here("../src/supply_chain/mod.ts");
  return run(name, "deno", ["run", "-q", "--no-prompt", "-P=audit", module, ...args]);
}

function bench(group: string, name: string, baseline: boolean, fn: () => Promise<void>): void {
  // Deno awaits only what is an async function itself.
  Deno.bench(name, { group, baseline, n: 7, warmup: 1 }, async () => {
    await fn();
  });
}

const real = `${cases}/locks/02-fedify-dev__fedify`;
if (isThere(real)) {
  const group = "a real project of 2,515 npm packages and 26 members";
  const bom = `${folder}/bom.json`;
  const common = ["--project", real, "--db", `${cases}/osv`];
  bench(group, "all five checks", true, () => audit("all five checks", ...common));
  bench(
    group,
    "all five checks, CycloneDX",
    false,
    () => audit("all five checks, CycloneDX", ...common, "--format", "cyclonedx"),
  );
  bench(group, "cdxgen 12.8.4, CycloneDX without checks", false, () =>
    run("cdxgen 12.8.4", "npx", [
      ...["--yes", CDXGEN, "-t", "deno", "--no-install-deps", "--no-recurse", "-o", bom, real],
    ]));
} else {
  console.log("skipped: the folder of real lockfiles is not present");
}

const small = await writeProject(folder, PACKAGES);
const large = await writeProject(folder, PACKAGES * 20);
const few = await writeDatabase(folder, 200);
const many = await writeDatabase(folder, RECORDS);
{
  const group = "twenty times the packages";
  for (const [count, project] of [[PACKAGES, small], [PACKAGES * 20, large]] as const) {
    const name = `${count.toLocaleString("en")} generated packages`;
    bench(
      group,
      name,
      count === PACKAGES,
      () => audit(name, "--project", project, "--db", few.index),
    );
  }
}
{
  const group = `a database of ${RECORDS.toLocaleString("en")} advisories`;
  const check = (name: string, baseline: boolean, ...args: readonly string[]) =>
    bench(group, name, baseline, () => audit(name, "advisories", "--project", small, ...args));
  check("no advisories", true, "--offline");
  check("stored database of 200 advisories", false, "--db", few.index);
  check("stored database of 200,000 advisories", false, "--db", many.index);
  const name = "archive of 200,000 advisories, not stored";
  Deno.bench(name, { group, n: 1, warmup: 0 }, async () => {
    await audit(name, "advisories", "--project", small, "--db", many.zip);
  });
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
