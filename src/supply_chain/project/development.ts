import { MAX_ALIAS_LENGTH, prefixesOf, type SourceFile, type Sources } from "./source_imports.ts";

/**
 * Names that only files below `graph.dev-paths` import.
 *
 * To hide a package that ships would be worse than to show one that does not, so every doubt counts as
 * shipped: a name that stands between quotes in a shipped file, that no file imports, or that could be
 * written in several ways. Where a shipped file could not be read, or imports what only its run can tell,
 * no name is for development.
 *
 * @param devPaths Folders relative to the project.
 * @param aliases The names, which {@linkcode readSources} was given too.
 */
export function developmentAliases(
  sources: Sources,
  devPaths: readonly string[],
  aliases: Iterable<string>,
): ReadonlySet<string> {
  if (devPaths.length === 0 || doubtsOf(sources, devPaths).length > 0) return new Set();
  const shipped = new Set<string>();
  const development = new Set<string>();
  const isDevelopment = below(devPaths);
  for (const { path, mentions } of sources.files) {
    if (!isDevelopment(path)) { for (const alias of mentions) shipped.add(alias); }
  }
  // What only stands between quotes, in a comment perhaps, is no import.
  for (const { specifier, location } of sources.imports) {
    if (!isDevelopment(location.file)) continue;
    for (const alias of prefixesOf(specifier)) development.add(alias);
  }
  const only = [...aliases].filter((alias) =>
    isPlain(alias) && development.has(alias) && !shipped.has(alias)
  );
  return new Set(only);
}

/** Shipped files and folders because of which no name is taken to be for development only. */
export function doubtsOf({ files, unread }: Sources, devPaths: readonly string[]): string[] {
  const isDevelopment = below(devPaths);
  const computed = files.filter(({ isComputed }) => isComputed).map(({ path }) => path);
  return [...unread, ...computed].filter((path) => !isDevelopment(path));
}

/** Every `npm:`, `jsr:` and http address in shipped files: these packages ship, whoever asks for them. */
export function shippedSpecifiers({ files }: Sources, devPaths: readonly string[]): string[] {
  const isDevelopment = below(devPaths);
  const shipped = files.filter(({ path }: SourceFile) => !isDevelopment(path));
  return [...new Set(shipped.flatMap(({ specifiers }) => specifiers))];
}

function below(devPaths: readonly string[]): (path: string) => boolean {
  const folders = devPaths.map((path) => path.replace(/^(?:\.\/)+/, "").replace(/\/*$/, "/"));
  return (path) => path !== "." && folders.some((folder) => `${path}/`.startsWith(folder));
}

/** An address or a name with unusual characters can be written in more ways than are looked for. */
function isPlain(alias: string): boolean {
  return alias.length <= MAX_ALIAS_LENGTH && /^[@\w$#~-][\w$#~.\/-]*$/.test(alias);
}
