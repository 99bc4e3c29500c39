/**
 * Makes `vendor/` complete, so that everything else runs without asking JSR for anything.
 *
 * Nothing is to do when it is complete. Else Deno downloads the releases that deno.lock pins from
 * JSR; where JSR does not answer, the same releases come out of an npm package that carries them
 * (`@std/assert`, which none carries, is stood in for by `_std_assert.ts`). Either way every byte is
 * checked against a hash in this repository before it is put in place, and `vendor/` changes in one
 * step: a run that is killed leaves it as it was.
 *
 * Imports nothing but what Deno brings along, as `vendor/` may be empty when it runs.
 *
 * @module
 */
import {
  type Carrier,
  type JsrLock,
  type Release,
  type Run,
  sha256,
  VendorError,
  type VendorOptions,
} from "./_run.ts";

export { type Carrier, VendorError, type VendorOptions };

/** Carries, as transpiled modules with their types, the releases that deno.lock pins. */
export const CARRIER: Carrier = {
  name: "windmill-cli",
  version: "1.596.0",
  integrity:
    "sha512-5aFVNTOEaGyTKyQlyjFI1FAZ8fTIQ2vGSmnqL3FfZuKpKWdqGXh8p9Azdp8N2MkIwyP1vYtOK9nfQk6jr6tRTw==",
};

const STAMP = "complete.json";
const WORK_PREFIX = "vendor.tmp-";
const LOCK_FILE = `${WORK_PREFIX}lock`;

/**
 * Makes `vendor/` complete and says where it came from.
 *
 * @throws {VendorError} If it could not be made complete; `vendor/` is then as it was.
 */
export async function vendor(options: VendorOptions): Promise<"present" | "jsr" | "npm"> {
  const lock = await readLock(options.root);
  const releases = releasesOf(lock);
  const carrier = options.carrier ?? CARRIER;
  const run: Run = {
    jsrUrl: "https://jsr.io/",
    jsrTimeoutMs: 3000,
    // npm's program on Windows is a batch file, which is found by its full name only.
    npm: [Deno.build.os === "windows" ? "npm.cmd" : "npm"],
    report: () => {},
    ...options,
    carrier,
    lock,
    releases,
    digest: await digestOf(releases, carrier),
  };
  if (isComplete(run)) return "present";

  // Whoever holds the lock is the only run at work, so that every work folder is a dead run's. The
  // operating system drops the lock with the process, however it ends.
  using turn = await Deno.open(`${run.root}/${LOCK_FILE}`, { create: true, write: true });
  if (!await turn.tryLock(true)) {
    run.report("waiting for another run to end");
    await turn.lock(true);
  }
  if (isComplete(run)) return "present";
  await clearLeftovers(run.root);
  const work = await Deno.makeTempDir({ dir: run.root, prefix: WORK_PREFIX });
  try {
    const source = await fetchInto(work, run);
    await putInPlace(run, work, source);
    return source;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function readLock(root: string): Promise<JsrLock> {
  try {
    const lock = JSON.parse(await Deno.readTextFile(`${root}/deno.lock`));
    if (lock.version !== "5") throw new Error(`version ${lock.version}`);
    const isJsr = (text: string) => text.startsWith("jsr:");
    return {
      version: lock.version,
      specifiers: Object.fromEntries(
        Object.entries<string>(lock.specifiers).filter(([key]) => isJsr(key)),
      ),
      jsr: lock.jsr,
      workspace: { dependencies: lock.workspace.dependencies.filter(isJsr) },
    };
  } catch (cause) {
    throw new VendorError(
      "deno.lock cannot be read, or is not of version 5. It belongs to the repository: restore it.",
      { cause },
    );
  }
}

function releasesOf({ jsr, specifiers }: JsrLock): Release[] {
  return Object.entries(jsr).map(([id, { integrity, dependencies = [] }]) => {
    const [, name, version] = /^(@[\w-]+\/[\w-]+)@(\w[\w.+-]*)$/.exec(id) ?? [];
    if (name === undefined || version === undefined || !/^[0-9a-f]{64}$/.test(integrity)) {
      throw new VendorError(`deno.lock has an entry for JSR that makes no sense: ${id}.`);
    }
    return {
      name,
      version,
      integrity,
      dependencies: new Map(dependencies.map((asked) => {
        // The lock leaves the range out where the whole lock has only one for the package.
        const full = Object.keys(specifiers).find((key) => key.startsWith(`${asked}@`)) ?? asked;
        return [full.slice("jsr:".length, full.lastIndexOf("@")), full];
      })),
    };
  });
}

async function digestOf(releases: readonly Release[], carrier: Carrier): Promise<string> {
  const parts = [carrier.integrity];
  for (const { name, version, integrity, dependencies } of releases) {
    parts.push(name, version, integrity, ...dependencies.values());
  }
  for (const file of ["./_assemble.ts", "./_std_assert.ts"]) {
    parts.push(await Deno.readTextFile(new URL(file, import.meta.url)));
  }
  return await sha256(new TextEncoder().encode(parts.join("\0")));
}

/** Whether `vendor/` was made by a run like this one, and what it made is still there. */
function isComplete(run: Run): boolean {
  try {
    const stamp = JSON.parse(Deno.readTextFileSync(`${run.root}/vendor/${STAMP}`));
    if (stamp.digest !== run.digest) return false;
    for (const path of stamp.paths) Deno.statSync(`${run.root}/vendor/${path}`);
    return true;
  } catch {
    return false;
  }
}

/** Loads what it takes to fetch packages, which a run with nothing to do gets by without. */
async function fetchInto(work: string, run: Run): Promise<"jsr" | "npm"> {
  const { fromJsr } = await import("./_from_jsr.ts");
  if (await fromJsr(run, work)) return "jsr";
  const { fromNpm } = await import("./_from_npm.ts");
  await fromNpm(run, work);
  return "npm";
}

async function clearLeftovers(root: string): Promise<void> {
  for await (const entry of Deno.readDir(root)) {
    if (entry.isDirectory && entry.name.startsWith(WORK_PREFIX)) {
      await Deno.remove(`${root}/${entry.name}`, { recursive: true });
    }
  }
}

/** Stamps the new `vendor/` and puts it where the old one was. */
async function putInPlace(run: Run, work: string, source: string): Promise<void> {
  const paths: string[] = [];
  for await (const host of Deno.readDir(`${work}/vendor`)) {
    for (const { name, version } of run.releases) {
      for (
        const path of [
          `${host.name}/${name}/${version}`,
          `${host.name}/${name}/${version}_meta.json`,
        ]
      ) {
        if (await exists(`${work}/vendor/${path}`)) paths.push(path);
      }
    }
  }
  const stamp = JSON.stringify({ source, digest: run.digest, paths }, null, 2);
  await Deno.writeTextFile(`${work}/vendor/${STAMP}`, stamp + "\n");
  try {
    await Deno.rename(`${run.root}/vendor`, `${work}/old`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.rename(`${work}/vendor`, `${run.root}/vendor`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (import.meta.main) {
  try {
    await vendor({
      root: import.meta.dirname + "/..",
      report: (line) => console.error(`vendor: ${line}`),
    });
  } catch (error) {
    if (!(error instanceof VendorError)) throw error;
    console.error(`vendor: ${error.message}`);
    if (typeof error.cause === "string" && error.cause !== "") console.error(error.cause.trim());
    Deno.exit(1);
  }
}
