import { join, SEPARATOR } from "@std/path";

/** The files of one package as it is installed somewhere. */
export interface PackageFiles {
  /** Whether anything of the package is there. */
  exists(): Promise<boolean>;
  /** Names of the files at its top, as far as they are known. */
  list(): Promise<readonly string[]>;
  /** A file of at most `maxBytes`; `undefined` when there is none, or it may not be read. */
  read(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/**
 * A package in a folder.
 *
 * Reading is synchronous inside: handing files of a few KB to another thread one by one costs more
 * than reading them.
 */
export class FolderFiles implements PackageFiles {
  readonly #folder: string;

  /** @param folder The package's folder, resolved: no link leads out of it. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  exists(): Promise<boolean> {
    return Promise.resolve(true);
  }

  list(): Promise<readonly string[]> {
    const entries = [...entriesOf(this.#folder).values()];
    const names = entries.filter(({ isDirectory }) => !isDirectory).map(({ name }) => name);
    return Promise.resolve(names.sort());
  }

  read(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return Promise.resolve(readInside(this.#folder, path, maxBytes));
  }
}

/**
 * A package of which Deno's cache holds single files, each named by the SHA-256 of its address.
 *
 * Such a folder cannot be listed; what there may be is asked for by name.
 */
export class CachedFiles implements PackageFiles {
  readonly #hostFolder: string;
  readonly #path: string;
  readonly #names: readonly string[];

  /**
   * @param hostFolder `remote/https/<host>` of Deno's cache, resolved.
   * @param path Path of the package on that host, with a slash at both ends.
   * @param names Names of files that it may have.
   */
  constructor(hostFolder: string, path: string, names: readonly string[]) {
    this.#hostFolder = hostFolder;
    this.#path = path;
    this.#names = names;
  }

  async exists(): Promise<boolean> {
    return (await this.list()).length > 0;
  }

  async list(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const name of this.#names) {
      if (isFile(join(this.#hostFolder, await this.#nameOf(name)))) found.push(name);
    }
    return found;
  }

  async read(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = readInside(this.#hostFolder, await this.#nameOf(path), maxBytes);
    return bytes && withoutCacheMetadata(bytes);
  }

  async #nameOf(path: string): Promise<string> {
    const address = new TextEncoder().encode(this.#path + path);
    return new Uint8Array(await crypto.subtle.digest("SHA-256", address)).toHex();
  }
}

/** Deno appends the response's headers to a cached file, in a comment on a line of its own. */
function withoutCacheMetadata(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const mark = new TextEncoder().encode("\n// denoCacheMetadata=");
  const at = bytes.lastIndexOf(mark[0]!);
  const isMark = at >= 0 && mark.every((byte, index) => bytes[at + index] === byte);
  return isMark ? bytes.subarray(0, at) : bytes;
}

/** The entries of a folder by name; empty when there is none, or it may not be read. */
export function entriesOf(folder: string): ReadonlyMap<string, Deno.DirEntry> {
  try {
    return new Map([...Deno.readDirSync(folder)].map((entry) => [entry.name, entry]));
  } catch {
    return new Map();
  }
}

/** Whether there is such a file, and it may be looked at. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * A folder without the links in its path.
 *
 * @param boundary A resolved folder that it must lie in: `node_modules` of a hostile project could
 * link to any folder of the user.
 * @returns `undefined` when there is none, or it lies elsewhere.
 */
export function realFolder(path: string, boundary?: string): string | undefined {
  try {
    const real = Deno.realPathSync(path);
    return boundary === undefined || isInside(real, boundary) ? real : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A file below a resolved folder. A package names files itself, and may link to any file of the
 * user: neither leads out of it.
 */
export function readInside(
  folder: string,
  path: string,
  maxBytes: number,
): Uint8Array<ArrayBuffer> | undefined {
  if (!isPlainPath(path)) return undefined;
  try {
    const { path: real, info } = resolveInside(folder, path) ?? {};
    // Opening a FIFO would wait for a writer.
    if (real === undefined || !info?.isFile || info.size > maxBytes) return undefined;
    using file = Deno.openSync(real);
    // A file that grows meanwhile is read no further.
    const bytes = new Uint8Array(info.size);
    let length = 0;
    while (length < bytes.length) {
      const read = file.readSync(bytes.subarray(length));
      if (read === null) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } catch {
    return undefined;
  }
}

/** What a path names. Only a link needs the costly walk over all folders above it. */
function resolveInside(
  folder: string,
  path: string,
): { readonly path: string; readonly info: Deno.FileInfo } | undefined {
  const plain = join(folder, path);
  const info = Deno.lstatSync(plain);
  if (!info.isSymlink && !path.includes("/")) return { path: plain, info };
  const real = Deno.realPathSync(plain);
  return isInside(real, folder) ? { path: real, info: Deno.statSync(real) } : undefined;
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + SEPARATOR);
}

/** Below a folder, without a step up, a drive or a stream. */
function isPlainPath(path: string): boolean {
  return !/[\\:\0]/.test(path) &&
    path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}
