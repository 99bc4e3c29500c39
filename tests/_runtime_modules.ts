/** The library as ES modules that need no bundler, no package manager and no TypeScript. */
import { fromFileUrl } from "@std/path/from-file-url";

const ROOT = new URL("../", import.meta.url);

interface ModuleGraph {
  readonly modules: readonly { readonly specifier: string }[];
}

/**
 * Writes a module of this repository and all that it imports to a folder, as JavaScript whose imports are
 * relative. No network is needed.
 *
 * @param entry The module, relative to the repository.
 * @param folder Where to.
 * @returns The files, relative to the folder.
 */
export async function writeModules(entry: string, folder: string): Promise<string[]> {
  const graph: ModuleGraph = JSON.parse(await deno(["info", "--json", entry]));
  const sources = graph.modules.map(({ specifier }) => specifier)
    // Imported where it is used, which is in Deno alone.
    .filter((specifier) => !/^(?:node|npm):/.test(specifier))
    .map((specifier) => specifier.replace(ROOT.href, ""));
  await deno(["transpile", "-q", "--no-check", "--outdir", folder, ...sources]);
  const files = sources.map((source) => source.replace(/\.ts$/, ".js"));
  for (const file of files) {
    const path = `${folder}/${file}`;
    const text = await Deno.readTextFile(path);
    const up = "../".repeat(file.split("/").length - 1);
    await Deno.writeTextFile(
      path,
      text.replace(/((?:from |import\()"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"')
        .replaceAll('import("jose")', `import("${up}jose/index.js")`),
    );
  }
  const jose = fromFileUrl(new URL("node_modules/jose/dist/webapi", ROOT));
  const joseFiles = await listFiles(jose);
  for (const file of joseFiles) await copyInto(`${folder}/jose`, file, jose);
  return [...files, ...joseFiles.map((file) => `jose/${file}`)];
}

async function deno(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("deno", {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno ${args[0]} failed: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

async function listFiles(folder: string, below = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${below}`)) {
    if (isDirectory) files.push(...await listFiles(folder, `${below}${name}/`));
    else if (name.endsWith(".js")) files.push(`${below}${name}`);
  }
  return files;
}

async function copyInto(folder: string, file: string, from: string): Promise<void> {
  const path = `${folder}/${file}`;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(`${from}/${file}`, path);
}
