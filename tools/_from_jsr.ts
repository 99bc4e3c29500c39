import { command, type Release, type Run, timeLimit, VendorError } from "./_run.ts";

/**
 * Lets Deno download the releases; `false` when JSR is out of reach.
 *
 * In two steps, as Deno 2.9 checks no hash of the lockfile while it downloads into a vendor folder:
 * first into an empty cache, where it does, and from there into `vendor/` without a network.
 *
 * @throws {VendorError} If JSR serves something else than the lockfile pins.
 */
export async function fromJsr(run: Run, work: string): Promise<boolean> {
  const first = run.releases[0];
  if (first === undefined || !await answers(run, first)) return false;
  run.report("fetching the @std packages from JSR");
  const { imports } = JSON.parse(await Deno.readTextFile(`${run.root}/deno.json`));
  const isJsr = ([, target]: [string, string]) => target.startsWith("jsr:");
  const config = {
    imports: Object.fromEntries(Object.entries<string>(imports).filter(isJsr)),
    nodeModulesDir: "none",
    lock: { frozen: true },
  };
  await Deno.writeTextFile(`${work}/deno.json`, JSON.stringify(config));
  await Deno.writeTextFile(`${work}/deno.lock`, JSON.stringify(run.lock));
  const env = { DENO_DIR: `${work}/deno_dir`, JSR_URL: run.jsrUrl, NO_COLOR: "1" };
  for (const flags of [[], ["--vendor", "--cached-only"]]) {
    const { success, stderr } = await command("deno", ["install", ...flags], work, env);
    if (success) continue;
    if (stderr.includes("Integrity check failed")) throw forged(stderr);
    run.report("JSR answered, but Deno could not fetch the packages from it");
    return false;
  }
  return true;
}

async function answers(run: Run, release: Release): Promise<boolean> {
  using limit = timeLimit(run.jsrTimeoutMs);
  try {
    const url = new URL(`${release.name}/meta.json`, run.jsrUrl);
    const response = await fetch(url, { signal: limit.signal });
    // A captive portal answers everything with a page of its own.
    return typeof (await response.json()).versions === "object";
  } catch {
    return false;
  }
}

function forged(stderr: string): VendorError {
  return new VendorError(
    "What JSR served is not what deno.lock pins. Nothing was installed. Either something between " +
      "this machine and JSR changes the files, or a release was replaced: do not work around it " +
      "before you know which.",
    { cause: stderr.slice(stderr.indexOf("Integrity check failed")) },
  );
}
