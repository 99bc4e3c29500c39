import { assemble } from "./_assemble.ts";
import { command, type Run, VendorError } from "./_run.ts";
import { ArchiveError, gunzip, readTar } from "./_tar.ts";

const MAX_TARBALL_BYTES = 64 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

/** Takes the releases out of the carrier. */
export async function fromNpm(run: Run, work: string): Promise<void> {
  const { name, version, integrity } = run.carrier;
  run.report(`JSR is out of reach: taking the @std packages out of npm's ${name}@${version}`);
  const tarball = await pack(run, work);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", tarball));
  if (`sha512-${digest.toBase64()}` !== integrity) {
    throw new VendorError(
      `The tarball of ${name}@${version} that npm fetched is not the one that this repository pins ` +
        "by its SHA-512. Nothing of it was unpacked. Either something between this machine and the " +
        "registry changes files, or the release was replaced: do not work around it before you " +
        "know which.",
    );
  }
  const standIn = await Deno.readTextFile(new URL("./_std_assert.ts", import.meta.url));
  try {
    const carrier = readTar(await gunzip(tarball, MAX_UNPACKED_BYTES));
    const files = await assemble(carrier, run.releases, new Map([["@std/assert", standIn]]));
    for (const [path, bytes] of files) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      await Deno.mkdir(`${work}/vendor/${folder}`, { recursive: true });
      await Deno.writeFile(`${work}/vendor/${path}`, bytes);
    }
  } catch (cause) {
    if (cause instanceof ArchiveError) {
      throw new VendorError(`${name}@${version} cannot be used: ${cause.message}.`, { cause });
    }
    throw cause;
  }
}

/** The tarball as npm fetched it; its hash is not looked at yet. */
async function pack(run: Run, work: string): Promise<Uint8Array<ArrayBuffer>> {
  const [npm, ...args] = run.npm;
  const id = `${run.carrier.name}@${run.carrier.version}`;
  args.push("pack", id, "--pack-destination", ".", "--loglevel=error");
  // Left to itself, npm waits for minutes on a closed network.
  args.push("--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000");
  const ran = await command(npm, args, work);
  if (ran.missing) {
    throw new VendorError(
      "JSR does not answer, and npm, which could fetch the same packages from its registry, is not " +
        "installed or not on the PATH. Install Node.js (npm comes with it), or run this again where " +
        "https://jsr.io can be reached.",
    );
  }
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(work)) {
    if (isFile && name.endsWith(".tgz")) names.push(name);
  }
  if (!ran.success || names.length !== 1) {
    throw new VendorError(
      `JSR does not answer, and npm could not fetch ${id} from its ` +
        "registry. This needs a network once; afterwards everything works without. Check the " +
        "connection, a proxy, and the registry that `npm config get registry` names.",
      { cause: ran.stderr },
    );
  }
  const path = `${work}/${names[0]}`;
  if ((await Deno.stat(path)).size > MAX_TARBALL_BYTES) {
    throw new VendorError(
      `The tarball that npm fetched is larger than ${MAX_TARBALL_BYTES} bytes.`,
    );
  }
  return await Deno.readFile(path);
}
