import { dirname, join } from "@std/path";

/** A folder with a project in it, removed when it goes out of scope. */
export interface TemporaryProject extends AsyncDisposable {
  readonly path: string;
}

/** Writes files below a new temporary folder; what is no text becomes JSON. */
export async function temporaryProject(
  files: Readonly<Record<string, unknown>>,
): Promise<TemporaryProject> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "bartizan-" }));
  for (const [name, content] of Object.entries(files)) {
    const file = join(path, name);
    await Deno.mkdir(dirname(file), { recursive: true });
    const text = typeof content === "string" ? content : JSON.stringify(content, null, 2);
    await Deno.writeTextFile(file, text);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** The hash of an npm entry; any well-formed one serves. */
export const SHA512: string = `sha512-${"A".repeat(86)}==`;

/** The hash of a JSR entry or a remote module; any well-formed one serves. */
export const SHA256: string = "a".repeat(64);
