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
    // Those of Node and npm are imported where they are used, and so is @std/log.
    .filter((specifier) => !/^(?:node|npm):|\/@std\/(?:fmt|log)\/|\.d\.ts$/.test(specifier))
    .map((specifier) => specifier.replace(ROOT.href, "").replace("https://", "vendor/"));
  const [ready, typed] = [".js", ".ts"].map((end) => sources.filter((path) => path.endsWith(end)));
  for (const file of ready ?? []) await copyInto(folder, file, fromFileUrl(ROOT));
  await deno(["transpile", "-q", "--no-check", "--outdir", folder, ...typed ?? []]);
  const files = sources.map((source) => source.replace(/\.ts$/, ".js"));
  for (const file of files) {
    const path = `${folder}/${file}`;
    const text = await Deno.readTextFile(path);
    const up = "../".repeat(file.split("/").length - 1);
    await Deno.writeTextFile(
      path,
      text.replace(/((?:from |import\()"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"')
        .replace(
          /(from )"(?:jsr:\/?)?(@std\/(?:path|internal))(?:@[^/"]+)?\/([^"]+)"/g,
          (_, from, name, module) => `${from}"${up}${vendored(files, name, module)}"`,
        )
        .replaceAll('import("jose")', `import("${up}jose/index.js")`),
    );
  }
  const jose = fromFileUrl(new URL("node_modules/jose/dist/webapi", ROOT));
  const joseFiles = await listFiles(jose);
  for (const file of joseFiles) await copyInto(`${folder}/jose`, file, jose);
  return [...files, ...joseFiles.map((file) => `jose/${file}`)];
}

/** The file of a package's module, of whichever version there is. */
function vendored(files: readonly string[], name: string, module: string): string {
  const pattern = new RegExp(`/${name}/[^/]+/${module.replaceAll("-", "_")}\\.js$`);
  const found = files.find((file) => pattern.test(file));
  if (found === undefined) throw new Error(`there is no ${name}/${module}`);
  return found;
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
