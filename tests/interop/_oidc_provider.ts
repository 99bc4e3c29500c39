/** A live oidc-provider under Node, for as long as a test needs it. */
import { fromFileUrl } from "@std/path/from-file-url";

const child = fromFileUrl(new URL("./_oidc_provider.mjs", import.meta.url));

/** Whether there is a Node to run it; without, the reason was printed. */
export const hasNode = await findNode();

async function findNode(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("node", { args: ["--version"], stdout: "null" })
      .output();
    return success;
  } catch {
    console.log("ignored: tests against oidc-provider (there is no node)");
    return false;
  }
}

/** An authorization server of another make. */
export interface OidcProvider extends AsyncDisposable {
  /** Its issuer, on loopback. */
  readonly issuer: string;
}

/** Starts it, and waits until it listens. */
export async function startOidcProvider(): Promise<OidcProvider> {
  const process = new Deno.Command("node", {
    args: [child],
    stdin: "piped",
    stdout: "piped",
    // It warns of http and of its memory, which are what a test wants.
    stderr: "null",
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let output = "";
  let issuer: string | undefined;
  while (issuer === undefined) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`oidc-provider did not start: ${output}`);
    output += value;
    issuer = /^issuer (\S+)\n/m.exec(output)?.[1];
  }
  return {
    issuer,
    async [Symbol.asyncDispose]() {
      await process.stdin.close();
      while (!(await reader.read()).done);
      await process.status;
    },
  };
}
