import { readBytes } from "../_text.ts";
import type { PackageNode } from "../project/graph.ts";

/** Names that JSR gives out. Anything else must not become part of a path. */
const JSR_NAME = /^@[a-z0-9-]{1,100}\/[a-z0-9-]{1,100}$/;
const MAX_META_BYTES = 16 * 1024 * 1024;

/** Where JSR's lists of versions are on disk. */
export interface JsrFolders {
  /** The project. */
  readonly root: string;
  /** Deno's cache, as `DENO_DIR` names it; `null` when it is unknown. */
  readonly denoDir: string | null;
}

/**
 * Those of the packages whose version JSR has yanked, by the lists of versions that Deno has left in
 * `vendor/` and in its cache. A package without such a list is not among them.
 */
export async function yankedPackages(
  nodes: readonly PackageNode[],
  folders: JsrFolders,
): Promise<ReadonlySet<PackageNode>> {
  const yanked = new Set<PackageNode>();
  await Promise.all(nodes.map(async (node) => {
    if (node.kind !== "jsr" || !JSR_NAME.test(node.name)) return;
    const lists = await Promise.all([
      versionsIn(`${folders.root}/vendor/jsr.io/${node.name}/meta.json`),
      folders.denoDir === null ? undefined : versionsIn(await cached(folders.denoDir, node.name)),
    ]);
    if (lists.some((versions) => isYanked(versions, node.version))) yanked.add(node);
  }));
  return yanked;
}

function isYanked(versions: object | undefined, version: string): boolean {
  if (versions === undefined || !Object.hasOwn(versions, version)) return false;
  const entry = (versions as Readonly<Record<string, unknown>>)[version];
  return typeof entry === "object" && entry !== null && "yanked" in entry && entry.yanked === true;
}

/** Deno's cache names a file by the SHA-256 of the path of its address. */
async function cached(denoDir: string, name: string): Promise<string> {
  const path = new TextEncoder().encode(`/${name}/meta.json`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", path)).toHex();
  return `${denoDir}/remote/https/jsr.io/${hash}`;
}

function versionsIn(path: string): object | undefined {
  try {
    const bytes = readBytes(path, {
      maxBytes: MAX_META_BYTES,
      code: "project-unreadable",
      name: "a list of versions",
    });
    if (bytes === undefined) return undefined;
    // Deno's cache appends a line about the answer.
    const [text] = new TextDecoder().decode(bytes).split("\n// denoCacheMetadata=", 1);
    const { versions } = JSON.parse(text!);
    return typeof versions === "object" && versions !== null ? versions : undefined;
  } catch {
    // What Deno has left there may be damaged, or out of reach of our permissions.
    return undefined;
  }
}
