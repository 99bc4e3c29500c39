/** Starts the runtimes, each with the same client code, and brings back what it reports. */
import type { RuntimeReport, Servers } from "./_runtime_client.ts";

/** The folder with the client's modules, and their names. */
export interface Modules {
  /** Path of the folder. */
  readonly folder: string;
  /** The modules, relative to it. */
  readonly files: readonly string[];
}

/** Runs the client code. */
export type Host = (modules: Modules, servers: Servers) => Promise<RuntimeReport>;

/** Path of the client code in the folder. */
const CLIENT = "tests/interop/_runtime_client.js";
/** After so long, a runtime is told to end, and then made to. */
const TIMEOUT_MS = 15_000;
const KILL_MS = 18_000;

/** Runs it in a runtime that takes a module and arguments, as Node does. */
export function inNodeLike(command: "bun" | "node"): Host {
  return async ({ folder }, servers) => {
    await Deno.writeTextFile(`${folder}/package.json`, '{ "type": "module" }');
    await Deno.writeTextFile(
      `${folder}/main.js`,
      `import { runAll } from "./${CLIENT}";
       console.log(JSON.stringify(await runAll(JSON.parse(process.argv[2]))));`,
    );
    using child = start(command, [`${folder}/main.js`, JSON.stringify(servers)], folder);
    const stdout = await new Response(child.process.stdout).text();
    const { success } = await child.process.status;
    if (!success) throw new Error(`${command} failed: ${stdout}${await child.errors}`);
    return JSON.parse(stdout);
  };
}

/** Runs it in workerd, as a worker that answers one request. */
export async function inWorkerd(
  { folder, files }: Modules,
  servers: Servers,
): Promise<RuntimeReport> {
  await Deno.writeTextFile(
    `${folder}/worker.js`,
    `import { runAll } from "./${CLIENT}";
     export default {
       async fetch(request) {
         try {
           return Response.json(await runAll(await request.json()));
         } catch (error) {
           return new Response(error.stack, { status: 500 });
         }
       },
     };`,
  );
  // The first module is the one that answers.
  const modules = ["worker.js", ...files]
    .map((file) => `(name = "${file}", esModule = embed "${file}")`);
  await Deno.writeTextFile(
    `${folder}/config.capnp`,
    `using Workerd = import "/workerd/workerd.capnp";
     const config :Workerd.Config = (
       services = [
         (name = "main", worker = .main),
         (name = "internet", network = (allow = ["127.0.0.1/32"])),
       ],
       sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
     );
     const main :Workerd.Worker = (
       compatibilityDate = "2025-01-01",
       modules = [${modules.join(", ")}],
     );`,
  );
  using child = start("workerd", ["serve", "--control-fd=1", `${folder}/config.capnp`], folder);
  const events = child.process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let output = "";
    let port: string | undefined;
    while (port === undefined) {
      const { done, value } = await events.read();
      if (done) throw new Error(`workerd did not start: ${output}${await child.errors}`);
      output += value;
      port = /"event":"listen"[^}]*"port":(\d+)/.exec(output)?.[1];
    }
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: "POST",
      body: JSON.stringify(servers),
    });
    if (!response.ok) throw new Error(`workerd failed: ${await response.text()}`);
    return await response.json();
  } finally {
    child.end();
    while (!(await events.read()).done);
    await child.errors;
    await child.process.status;
  }
}

/** Runs it in a page, which is loaded twice: the second time, only what IndexedDB kept is left. */
export async function inChromium({ folder }: Modules, servers: Servers): Promise<RuntimeReport> {
  const { promise, resolve, reject } = Promise.withResolvers<RuntimeReport>();
  await using pages = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      if (request.method !== "POST") return await page(folder, request, servers);
      const { failure, report } = await request.json();
      if (failure === undefined) resolve(report);
      else reject(new Error(`chromium failed: ${failure}`));
      return new Response();
    },
  );
  const profile = await Deno.makeTempDir({ prefix: "runtimes_test_chromium_" });
  try {
    using child = start("chromium", [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      ...["--disable-breakpad", "--disable-default-apps", "--disable-extensions"],
      // Nothing but loopback: no name resolves, and no proxy of this machine is asked.
      ...["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--no-proxy-server"],
      ...[`--user-data-dir=${profile}`, `http://127.0.0.1:${pages.addr.port}/`],
    ], profile);
    const stdout = new Response(child.process.stdout).text();
    child.process.status.then(async () => {
      reject(new Error(`chromium ended without a report: ${await child.errors}`));
    });
    try {
      return await promise;
    } finally {
      child.end();
      await Promise.all([child.process.status, child.errors, stdout]);
    }
  } finally {
    await Deno.remove(profile, { recursive: true });
  }
}

const PAGE_SCRIPT = `
  async function run() {
    const { runClient, visit } = await import("./${CLIENT}");
    const servers = await (await fetch("./servers.json")).json();
    const before = sessionStorage.getItem("report");
    if (before === null) {
      const report = { ...await runClient(servers), visits: [await visit(servers)] };
      sessionStorage.setItem("report", JSON.stringify(report));
      location.reload();
      return undefined;
    }
    const report = JSON.parse(before);
    const [first] = report.visits;
    return { report: { ...report, visits: [first, await visit(servers, first.token)] } };
  }
  const result = await run().catch((error) => ({ failure: String(error?.stack ?? error) }));
  if (result !== undefined) await fetch("./", { method: "POST", body: JSON.stringify(result) });
`;

/** A page with a policy as strict as a careful site's: no inline script, no eval, no other server. */
async function page(
  folder: string,
  { url }: Request,
  { issuer, api }: Servers,
): Promise<Response> {
  const { pathname } = new URL(url);
  const script = { headers: { "content-type": "text/javascript" } };
  switch (pathname) {
    case "/":
      return new Response('<!doctype html><script type="module" src="page.js"></script>', {
        headers: {
          "content-type": "text/html",
          "content-security-policy": [
            ...["default-src 'none'", "script-src 'self'", `connect-src 'self' ${issuer} ${api}`],
            "require-trusted-types-for 'script'",
          ].join("; "),
        },
      });
    case "/page.js":
      return new Response(PAGE_SCRIPT, script);
    case "/servers.json":
      return Response.json({ issuer, api });
  }
  try {
    return new Response(await Deno.readTextFile(folder + pathname), script);
  } catch {
    return new Response(null, { status: 404 });
  }
}

interface Child extends Disposable {
  readonly process: Deno.ChildProcess;
  /** What it wrote to its standard error; there when it has ended. */
  readonly errors: Promise<string>;
  /** Ends it, by its own id. */
  end(): void;
}

/** Starts a process that leaves this home alone, asks no proxy, and ends in time. */
function start(command: string, args: readonly string[], home: string): Child {
  const process = new Deno.Command(command, {
    args: [...args],
    cwd: home,
    env: { HOME: home, NO_COLOR: "1", NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = (signal: Deno.Signal) => {
    try {
      process.kill(signal);
    } catch {
      // It had ended.
    }
  };
  const timers = [setTimeout(kill, TIMEOUT_MS, "SIGTERM"), setTimeout(kill, KILL_MS, "SIGKILL")];
  process.status.then(() => timers.forEach(clearTimeout));
  const end = () => kill("SIGTERM");
  const errors = new Response(process.stderr).text();
  return { process, errors, end, [Symbol.dispose]: end };
}
