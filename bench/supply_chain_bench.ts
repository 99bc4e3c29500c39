/**
 * The auditor as a whole process, start included: a real project against the peer that reads
 * deno.lock, twenty times its size, and what a database of 200,000 advisories adds.
 *
 * Run with `deno task bench`; published results are in bench/README.md.
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { writeDatabase } from "./_advisories.ts";
import { writeProject } from "./_project.ts";

const PACKAGES = 2_500;
const RECORDS = 200_000;
const CDXGEN = "@cyclonedx/cdxgen@12.8.4";

const here = (path: string) => fromFileUrl(new URL(path, import.meta.url));
const cases = here("../../shared/cases");
const folder = await Deno.makeTempDir({ prefix: "bartizan-bench-" });
/** Largest resident set of each program, in MiB, as the kernel counts it. */
const memory = new Map<string, number>();

addEventListener("unload", () => {
  Deno.removeSync(folder, { recursive: true });
  for (const [name, peak] of memory) console.log(`peak memory  ${name.padEnd(48)} ${peak} MiB`);
});

/** Runs a program to its end. An audit ends with 1 when it finds something, which is not a failure. */
async function run(name: string, command: string, args: readonly string[]): Promise<void> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    env: { CI: "true", FETCH_LICENSE: "false" },
  }).spawn();
  const timer = setInterval(
    () => memory.set(name, Math.max(memory.get(name) ?? 0, peak(child.pid))),
    10,
  );
  const { code } = await child.status;
  clearInterval(timer);
  if (code > 1 && code !== 3) throw new Error(`${name} ended with ${code}`);
}

/** The kernel's high-water mark of a process; 0 where there is no /proc. */
function peak(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Math.round(Number(status.match(/VmHWM:\s+(\d+)/)?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}

function audit(name: string, ...args: readonly string[]): Promise<void> {
  const module = here("../src/supply_chain/mod.ts");
  return run(name, "deno", ["run", "-q", "--no-prompt", "-P=audit", module, ...args]);
}

function bench(group: string, name: string, baseline: boolean, fn: () => Promise<void>): void {
  // Deno awaits only what is an async function itself.
  Deno.bench(name, { group, baseline, n: 7, warmup: 1 }, async () => await fn());
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
  Deno.bench(
    "archive of 200,000 advisories, not stored",
    { group, n: 1, warmup: 0 },
    () =>
      audit("archive of 200,000 advisories", "advisories", "--project", small, "--db", many.zip),
  );
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
