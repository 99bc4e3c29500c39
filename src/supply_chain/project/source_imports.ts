import { join } from "@std/path/join";
import { relative } from "@std/path/relative";
import { LineIndex, readText, type ReadTextOptions } from "../_text.ts";
import type { FindingLocation } from "../report.ts";

/** An import that a module of the project writes. */
export interface SourceImport {
  readonly specifier: string;
  readonly location: FindingLocation;
}

const MAX_MODULE_BYTES = 2 * 1024 * 1024;
const MAX_MODULES = 20_000;

/**
 * Comments and strings are matched, too, so that an import inside one is not taken for an import.
 * Each alternative ends at the end of the text at the latest and none can match in two ways, so that
 * the time is linear in the text.
 */
const TOKENS = new RegExp(
  [
    String.raw`\/\/[^\n]*`,
    String.raw`\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$)`,
    "`(?:\\\\[^]|[^`\\\\])*(?:`|$)",
    String.raw`(?:\bfrom|\bimport\s*\(?)\s*(?:"([^"\\\n]*)"|'([^'\\\n]*)')`,
    String.raw`"(?:\\.|[^"\\\n])*"`,
    String.raw`'(?:\\.|[^'\\\n])*'`,
  ].join("|"),
  "g",
);

/** The imports of one module, static and dynamic, with the offset of each. */
export function importsIn(text: string): readonly { specifier: string; offset: number }[] {
  const imports: { specifier: string; offset: number }[] = [];
  for (const match of text.matchAll(TOKENS)) {
    const specifier = match[1] ?? match[2];
    if (specifier === undefined) continue;
    imports.push({ specifier, offset: match.index + match[0].length - specifier.length - 2 });
  }
  return imports;
}

/** Reads the imports of every module of a project. Requires `--allow-read` for it. */
export async function readSourceImports(root: string): Promise<readonly SourceImport[]> {
  const imports: SourceImport[] = [];
  let modules = 0;
  for await (const path of modulesBelow(root)) {
    if (++modules > MAX_MODULES) break;
    const file = relative(root, path).replaceAll("\\", "/");
    const options = { maxBytes: MAX_MODULE_BYTES, code: "project-unreadable", name: file } as const;
    const text = tryReadText(join(root, file), options);
    if (text === undefined) continue;
    const found = importsIn(text);
    if (found.length === 0) continue;
    const lines = new LineIndex(text);
    for (const { specifier, offset } of found) {
      imports.push({ specifier, location: { file, ...lines.at(offset) } });
    }
  }
  return imports;
}

/** Modules below a folder, but for installed packages and hidden folders. */
async function* modulesBelow(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    if (isDirectory && !name.startsWith(".") && !NOT_SOURCES.has(name)) {
      yield* modulesBelow(join(folder, name));
    } else if (isFile && /\.[mc]?[jt]sx?$/.test(name)) {
      yield join(folder, name);
    }
  }
}

const NOT_SOURCES: ReadonlySet<string> = new Set(["node_modules", "vendor", "coverage"]);

/** The text of a module; none for what is too large or no text, as it has no imports to declare. */
function tryReadText(path: string, options: ReadTextOptions): string | undefined {
  try {
    return readText(path, options);
  } catch {
    return undefined;
  }
}
