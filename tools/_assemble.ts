/**
 * Lays out the `@std` releases that an npm package carries as Deno expects them in `vendor/`.
 *
 * The carrier was made by dnt: its modules are JavaScript with declaration files, they name each
 * other by relative paths, and reach `Deno` through a shim. Here they get back what JSR would have
 * served: `jsr:` specifiers, an exports map and a manifest.
 */

import { type Release, sha256 } from "./_run.ts";
import { ArchiveError } from "./_tar.ts";

type Files = Map<string, Uint8Array<ArrayBuffer>>;

/** @std/path lacks these two in the carrier, which does not use them itself. */
const BARRELS: ReadonlyMap<string, readonly string[]> = new Map([
  ["@std/path", ["posix", "windows"]],
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The files of `vendor/` for the given releases.
 *
 * @param carrier The unpacked npm package.
 * @param releases What the lockfile asks for.
 * @param standIns Modules for releases that the carrier lacks, by package name.
 * @throws {ArchiveError} If a release is neither in the carrier nor among the stand-ins.
 */
export async function assemble(
  carrier: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  releases: readonly Release[],
  standIns: ReadonlyMap<string, string>,
): Promise<Files> {
  const vendor: Files = new Map();
  for (const release of releases) {
    const standIn = standIns.get(release.name);
    const files = standIn === undefined
      ? fromCarrier(carrier, release)
      : new Map([["mod.ts", encoder.encode(standIn)]]);
    if (files.size === 0) {
      throw new ArchiveError(`it does not hold ${release.name}@${release.version}`);
    }
    await addRelease(vendor, release, files);
  }
  return vendor;
}

function fromCarrier(
  carrier: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  release: Release,
): Files {
  const files: Files = new Map();
  for (const [kind, ending] of [["esm", ".js"], ["types", ".d.ts"]] as const) {
    const folder = `package/${kind}/deps/jsr.io/${release.name}/${release.version}/`;
    const stems: string[] = [];
    for (const [path, bytes] of carrier) {
      if (!path.startsWith(folder) || !path.endsWith(ending)) continue;
      const stem = path.slice(folder.length, -ending.length);
      stems.push(stem);
      const types = `// @ts-self-types="./${stem.split("/").at(-1)}.d.ts"\n`;
      const source = restore(decoder.decode(bytes), release, kind);
      files.set(stem + ending, encoder.encode(kind === "esm" ? types + source : source));
    }
    for (const folder of stems.length === 0 ? [] : BARRELS.get(release.name) ?? []) {
      const inside = stems.filter((stem) => stem.startsWith(`${folder}/`) && !isInternal(stem));
      const lines = inside.sort().map((stem) =>
        `export * from "./${stem.slice(folder.length + 1)}.js";\n`
      );
      const types = kind === "esm" ? `// @ts-self-types="./mod.d.ts"\n` : "";
      files.set(`${folder}/mod${ending}`, encoder.encode(types + lines.join("")));
    }
  }
  return files;
}

/** Undoes what dnt did to a module: shims, polyfills, source maps and paths between packages. */
function restore(source: string, release: Release, kind: "esm" | "types"): string {
  return source
    .replace(/^import (?:\* as dntShim from )?"[./]*\/_dnt\.(?:shims|polyfills)\.js";\n/gm, "")
    .replace(/\bdntShim\.Deno\b/g, kind === "esm" ? "globalThis.Deno" : "Deno")
    .replace(/\bdntShim\.dntGlobalThis\b/g, "globalThis")
    .replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n")
    .replace(
      /(["'])(?:\.\.\/)+([a-z_-]+)\/\d+\.\d+\.\d+[^/"']*\/([\w/]+)\.js\1/g,
      (_whole, quote: string, name: string, module: string) => {
        const specifier = release.dependencies.get(`@std/${name}`);
        if (specifier === undefined) {
          throw new ArchiveError(
            `${release.name} imports @std/${name}, which deno.lock does not say`,
          );
        }
        return quote + specifier + (module === "mod" ? "" : `/${kebab(module)}`) + quote;
      },
    );
}

async function addRelease(vendor: Files, release: Release, files: Files): Promise<void> {
  const { name, version } = release;
  const manifest: Record<string, { size: number; checksum: string }> = {};
  const exports: Record<string, string> = {};
  for (const [path, bytes] of files) {
    vendor.set(`jsr.io/${name}/${version}/${path}`, bytes);
    manifest[`/${path}`] = { size: bytes.length, checksum: `sha256-${await sha256(bytes)}` };
    const stem = /^(.*)(?<!\.d)\.[jt]s$/.exec(path)?.[1];
    if (stem !== undefined && !isInternal(stem)) {
      exports[stem === "mod" ? "." : `./${kebab(stem.replace(/\/mod$/, ""))}`] = `./${path}`;
    }
  }
  const [scope, bare] = name.slice(1).split("/");
  const meta = { scope, name: bare, latest: version, versions: { [version]: {} } };
  vendor.set(`jsr.io/${name}/meta.json`, encoder.encode(JSON.stringify(meta)));
  const versionMeta = JSON.stringify({ manifest, exports });
  vendor.set(`jsr.io/${name}/${version}_meta.json`, encoder.encode(versionMeta));
}

function isInternal(stem: string): boolean {
  return stem.split("/").some((part) => part.startsWith("_"));
}

function kebab(text: string): string {
  return text.replaceAll("_", "-");
}
