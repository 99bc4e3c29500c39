/** A real redis-server of the test's own: on a free port of the loopback interface, in a folder of its own. */

import { runs } from "../_runs.ts";
import { RespClient } from "./_resp_client.ts";

/** Options of {@linkcode RedisServer.start}. */
export interface RedisServerOptions {
  /** Arguments added to the command. */
  readonly args?: readonly string[];
  /** Whether it also listens with TLS, with a certificate made for it. */
  readonly tls?: boolean;
}

/** Whether there is a redis-server here. */
export const hasRedis: boolean = await runs("redis-server", "--version");
/** Whether there is an openssl, too, to make certificates with. */
export const hasOpenssl: boolean = hasRedis && await runs("openssl", "version");

if (!hasRedis) console.log("ignored: tests of Redis (no redis-server can be run)");
else if (!hasOpenssl) console.log("ignored: tests of Redis over TLS (no openssl can be run)");

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A server. It ends with `await using`. */
export class RedisServer implements AsyncDisposable {
  /** The port without TLS. */
  readonly port: number;
  /** The port with TLS, 0 without. */
  readonly tlsPort: number;
  /** Its folder; the certificate of the authority is in `ca.pem`. */
  readonly dir: string;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess | undefined;

  private constructor(dir: string, { args = [], tls = false }: RedisServerOptions) {
    this.dir = dir;
    this.port = freePort();
    this.tlsPort = tls ? freePort() : 0;
    this.#args = [
      ...["--port", `${this.port}`, "--bind", "127.0.0.1", "--dir", dir, "--save", ""],
      ...["--maxmemory-policy", "noeviction", "--loglevel", "warning"],
      ...(tls ? ["--tls-port", `${this.tlsPort}`, "--tls-auth-clients", "no"] : []),
      ...(tls ? ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"] : []),
      ...(tls ? ["--tls-ca-cert-file", "ca.pem"] : []),
      ...args,
    ];
  }

  /** Starts a server, and waits until it answers. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const dir = await Deno.makeTempDir({ prefix: "bartizan-redis-" });
    if (options.tls) await makeCertificate(dir);
    // Another process may take the port between freePort() and the server's own listening.
    for (let attempt = 1;; attempt++) {
      const server = new RedisServer(dir, options);
      try {
        await server.restart();
        return server;
      } catch (error) {
        if (attempt < 3) continue;
        await server[Symbol.asyncDispose]();
        throw error;
      }
    }
  }

  /** Starts a node of a cluster, which is alone until {@linkcode join}. */
  static async startNode(): Promise<RedisServer> {
    // The bus would be at port + 10000, which may be more than there are.
    const bus = ["--cluster-port", `${freePort()}`];
    return await RedisServer.start({ args: ["--cluster-enabled", "yes", ...bus] });
  }

  /** Makes a cluster of two nodes. */
  static async join(first: RedisServer, second: RedisServer): Promise<void> {
    using one = await first.connect();
    using two = await second.connect();
    await one.command("CLUSTER", "ADDSLOTSRANGE", "0", "8191");
    await two.command("CLUSTER", "ADDSLOTSRANGE", "8192", "16383");
    const bus = await two.command("CONFIG", "GET", "cluster-port");
    const busPort = Array.isArray(bus) ? String(bus[1]) : "";
    await one.command("CLUSTER", "MEET", "127.0.0.1", `${second.port}`, busPort);
    const deadline = Date.now() + 20_000;
    for (const { command } of [one, two]) {
      while (!String(await command("CLUSTER", "INFO")).includes("cluster_state:ok")) {
        if (Date.now() > deadline) throw new Error("the nodes did not become a cluster");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Starts it again, in the same place, after {@linkcode kill}. */
  async restart(): Promise<void> {
    const process = new Deno.Command("redis-server", {
      args: [...this.#args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      cwd: this.dir,
    }).spawn();
    this.#process = process;
    let ended = false;
    process.status.then(() => ended = true);
    const deadline = Date.now() + 10_000;
    while (!ended && Date.now() < deadline) {
      try {
        using client = await this.connect();
        // Not while it still reads what it had written.
        if (await client.command("PING") === "PONG") return;
      } catch {
        // Not yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await this.kill();
    throw new Error("redis-server did not start");
  }

  /** A plain connection. */
  async connect(): Promise<RespClient> {
    return await RespClient.connect(this.port);
  }

  /** Stops it in its tracks: connections stay, and nobody answers. */
  suspend(): void {
    this.#process?.kill("SIGSTOP");
  }

  /** Lets it go on. */
  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Ends it as a crash would, by its own process id. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined) return;
    try {
      process.kill("SIGKILL");
    } catch {
      // It had ended.
    }
    await process.status;
  }

  /** Ends it, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** An authority and a certificate of it, for localhost: rustls takes no authority for a server. */
async function makeCertificate(dir: string): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await openssl(dir, [
    ...["req", "-x509", ...key, "-subj", "/CN=authority", "-keyout", "ca-key.pem"],
    ...["-out", "ca.pem"],
  ]);
  await openssl(dir, [
    ...["req", "-x509", ...key, "-subj", "/CN=localhost", "-keyout", "key.pem"],
    ...["-out", "cert.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem"],
    ...["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"],
  ]);
}

async function openssl(cwd: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    cwd,
  }).output();
  if (!success) throw new Error(`openssl failed: ${new TextDecoder().decode(stderr)}`);
}
