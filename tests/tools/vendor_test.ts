import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { gzip, writeTar } from "./_tar_writer.ts";

const RUNNER = new URL("./_run_vendor.ts", import.meta.url).href;
const FAKE_NPM = new URL("./_fake_npm.ts", import.meta.url).href;
/** Nothing listens there, so that it stands for a network without JSR. */
const NO_JSR = "http://127.0.0.1:1/";

/** What dnt makes of two packages, one of which imports the other. */
const CARRIED: Readonly<Record<string, string>> = {
  "esm/deps/jsr.io/@std/path/1.1.3/mod.js":
    'export * from "./join_all.js";\n//# sourceMappingURL=mod.js.map',
  "esm/deps/jsr.io/@std/path/1.1.3/join_all.js":
    'import { glue } from "./_glue.js";\nexport const joinAll = (...parts) => parts.join(glue);\n',
  "esm/deps/jsr.io/@std/path/1.1.3/_glue.js": 'export const glue = "/";\n',
  "esm/deps/jsr.io/@std/path/1.1.3/posix/sep.js": 'export const SEP = "/";\n',
  "esm/deps/jsr.io/@std/path/1.1.3/windows/sep.js": 'export const SEP = "\\\\";\n',
  "types/deps/jsr.io/@std/path/1.1.3/mod.d.ts": 'export * from "./join_all.js";\n',
  "types/deps/jsr.io/@std/path/1.1.3/join_all.d.ts":
    "export declare const joinAll: (...parts: string[]) => string;\n",
  "types/deps/jsr.io/@std/path/1.1.3/_glue.d.ts": "export declare const glue: string;\n",
  "types/deps/jsr.io/@std/path/1.1.3/posix/sep.d.ts": 'export declare const SEP = "/";\n',
  "types/deps/jsr.io/@std/path/1.1.3/windows/sep.d.ts": "export declare const SEP: string;\n",
  "esm/deps/jsr.io/@std/fs/1.0.20/mod.js": 'import "../../../../../_dnt.polyfills.js";\n' +
    'import * as dntShim from "../../../../../_dnt.shims.js";\n' +
    'import { joinAll } from "../../path/1.1.3/join_all.js";\n' +
    'export const here = () => joinAll(dntShim.Deno.cwd(), "x");\n',
  "types/deps/jsr.io/@std/fs/1.0.20/mod.d.ts":
    'import * as dntShim from "../../../../../_dnt.shims.js";\n' +
    "export declare const here: () => string;\n" +
    "export type Entry = dntShim.Deno.DirEntry;\n",
  "esm/other.js": "export const unused = 1;\n",
};

const LOCK = {
  version: "5",
  specifiers: {
    "jsr:@std/assert@^1.0.16": "1.0.16",
    "jsr:@std/fs@^1.0.20": "1.0.20",
    "jsr:@std/path@^1.1.3": "1.1.3",
  },
  jsr: {
    "@std/assert@1.0.16": { integrity: "a".repeat(64) },
    "@std/fs@1.0.20": { integrity: "b".repeat(64), dependencies: ["jsr:@std/path"] },
    "@std/path@1.1.3": { integrity: "c".repeat(64) },
  },
  workspace: {
    dependencies: ["jsr:@std/assert@^1.0.16", "jsr:@std/fs@^1.0.20", "jsr:@std/path@^1.1.3"],
  },
};

const USER = `
import { joinAll } from "@std/path/join-all";
import { SEP } from "@std/path/posix";
import { SEP as BACK } from "@std/path/windows";
import * as path from "@std/path";
import { type Entry, here } from "@std/fs";
import { assertEquals, assertThrows } from "@std/assert";
const entry: Entry = { name: "a", isFile: true, isDirectory: false, isSymlink: false };
assertThrows(() => assertEquals(entry.isFile, false));
assertEquals(Object.keys(path), ["joinAll"]);
console.log(joinAll("a", "b") === path.joinAll("a", "b"), SEP, BACK, here().endsWith("/x"));
`;

interface Project extends AsyncDisposable {
  readonly root: string;
  /** Runs `vendor()` in the project in a process of its own. */
  vendor(overrides?: Record<string, unknown>, env?: Record<string, string>): Promise<Outcome>;
  /** Starts such a run, to be killed. */
  start(overrides?: Record<string, unknown>): Deno.ChildProcess;
}

interface Outcome {
  readonly outcome?: "present" | "jsr" | "npm";
  readonly error?: string;
  readonly reported: readonly string[];
}

/** A project with deno.json, deno.lock and a carrier outside of it. */
async function makeProject(lock: unknown = LOCK): Promise<Project> {
  const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "vendor_test_" }));
  const root = `${base}/project`;
  await Deno.mkdir(root);
  const imports = {
    "@std/assert": "jsr:@std/assert@^1.0.16",
    "@std/fs": "jsr:@std/fs@^1.0.20",
    "@std/path": "jsr:@std/path@^1.1.3",
  };
  await Deno.writeTextFile(
    `${root}/deno.json`,
    JSON.stringify({ imports, vendor: true, lock: { frozen: true } }),
  );
  await Deno.writeTextFile(`${root}/deno.lock`, JSON.stringify(lock));
  const tarball = await gzip(
    writeTar(Object.entries(CARRIED).map(([name, text]) => ({ name: `package/${name}`, text }))),
  );
  await Deno.writeFile(`${base}/carrier.tgz`, tarball);
  const sha512 = new Uint8Array(await crypto.subtle.digest("SHA-512", tarball));
  const defaults = {
    root,
    jsrUrl: NO_JSR,
    carrier: { name: "carrier", version: "1.0.0", integrity: `sha512-${sha512.toBase64()}` },
    npm: fakeNpm(`${base}/carrier.tgz`),
  };
  const command = (overrides: Record<string, unknown> = {}, env: Record<string, string> = {}) =>
    new Deno.Command("deno", {
      args: [
        ...["run", "-q", "--no-config", "--no-prompt", "--allow-read", `--allow-write=${root}`],
        ...["--allow-net=127.0.0.1", "--allow-run", RUNNER],
        JSON.stringify({ ...defaults, ...overrides }),
      ],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  return {
    root,
    async vendor(overrides, env) {
      const { stdout, stderr } = await command(overrides, env).output();
      const text = new TextDecoder().decode(stdout);
      assertMatch(text, /^\{.*\}\n$/, new TextDecoder().decode(stderr));
      return JSON.parse(text);
    },
    start: (overrides) => command(overrides).spawn(),
    async [Symbol.asyncDispose]() {
      await Deno.remove(base, { recursive: true });
    },
  };
}

function fakeNpm(tarball: string, mode = "--at-once"): string[] {
  const flags = ["run", "-q", "--no-config", "--allow-read", "--allow-write"];
  return ["deno", ...flags, FAKE_NPM, tarball, mode];
}

async function names(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) found.push(entry.name);
  return found.sort();
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** That `vendor/` serves a program, offline and with the lockfile frozen. */
async function assertUsable(root: string): Promise<void> {
  await Deno.writeTextFile(`${root}/user.ts`, USER);
  const { stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "-q", "--check", "--no-prompt", "--allow-read", "user.ts"],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const output = new TextDecoder().decode(stdout);
  assertEquals(output, "true / \\ true\n", new TextDecoder().decode(stderr));
  await Deno.remove(`${root}/user.ts`);
}

const CLEAN = ["deno.json", "deno.lock", "vendor", "vendor.tmp-lock"];

Deno.test("vendor() takes the packages out of npm's tarball where JSR does not answer", async () => {
  await using project = await makeProject();
  const first = await project.vendor();
  assertEquals(first.outcome, "npm");
  assertMatch(first.reported[0] ?? "", /JSR is out of reach.*carrier@1\.0\.0/);
  assertEquals(await names(project.root), CLEAN);
  await assertUsable(project.root);
});

Deno.test("vendor() does nothing when vendor/ is complete", async () => {
  await using project = await makeProject();
  await project.vendor();
  const before = await Deno.stat(`${project.root}/vendor/complete.json`);
  const noNpm = { npm: ["deno", "eval", "Deno.exit(9)"] };
  assertEquals(await project.vendor(noNpm), { outcome: "present", reported: [] });
  const after = await Deno.stat(`${project.root}/vendor/complete.json`);
  assertEquals([after.ino, after.mtime], [before.ino, before.mtime]);
});

Deno.test("vendor() makes vendor/ anew when part of it is gone, or the lock or the pin changed", async () => {
  await using project = await makeProject();
  const { root } = project;
  await project.vendor();
  await Deno.remove(`${root}/vendor/jsr.io/@std/fs/1.0.20`, { recursive: true });
  assertEquals((await project.vendor()).outcome, "npm");
  await Deno.writeTextFile(`${root}/vendor/complete.json`, "{");
  assertEquals((await project.vendor()).outcome, "npm");
  const jsr = { ...LOCK.jsr, "@std/path@1.1.3": { integrity: "d".repeat(64) } };
  await Deno.writeTextFile(`${root}/deno.lock`, JSON.stringify({ ...LOCK, jsr }));
  assertEquals((await project.vendor()).outcome, "npm");
  const carrier = { name: "carrier", version: "1.0.0", integrity: "sha512-other" };
  assertStringIncludes((await project.vendor({ carrier })).error ?? "", "SHA-512");
  assertEquals(await names(root), CLEAN);
});

Deno.test("vendor() refuses a tarball with another hash, and leaves vendor/ as it was", async () => {
  await using project = await makeProject();
  const tarball = `${project.root}/../carrier.tgz`;
  const data = await Deno.readFile(tarball);
  data[data.length - 10]! ^= 1;
  await Deno.writeFile(tarball, data);
  const { error = "" } = await project.vendor();
  assertStringIncludes(error, "not the one that this repository pins");
  assertFalse(await exists(`${project.root}/vendor`));

  await Deno.mkdir(`${project.root}/vendor`);
  await Deno.writeTextFile(`${project.root}/vendor/mine`, "");
  assertStringIncludes((await project.vendor()).error ?? "", "SHA-512");
  assertEquals(await names(`${project.root}/vendor`), ["mine"]);
  assertEquals(await names(project.root), CLEAN);
});

Deno.test("vendor() refuses a carrier that lacks a release of the lockfile", async () => {
  const newer = {
    ...LOCK,
    jsr: { ...LOCK.jsr, "@std/path@1.9.0": { integrity: "e".repeat(64) } },
  };
  await using project = await makeProject(newer);
  const { error = "" } = await project.vendor();
  assertStringIncludes(error, "carrier@1.0.0 cannot be used: it does not hold @std/path@1.9.0.");
  assertFalse(await exists(`${project.root}/vendor`));
});

Deno.test("vendor() says so when npm is missing", async () => {
  await using project = await makeProject();
  const missing = await project.vendor({ npm: ["no-such-program-as-this"] });
  assertMatch(missing.error ?? "", /npm.* is not\s+installed or not on the PATH.*Install Node\.js/);
  assertEquals(await names(project.root), ["deno.json", "deno.lock", "vendor.tmp-lock"]);
});

Deno.test("vendor() says so when npm cannot reach its registry", async () => {
  await using project = await makeProject();
  const script = `console.error("npm error code ENOTFOUND"); Deno.exit(1)`;
  const failing = await project.vendor({ npm: ["deno", "eval", script] });
  assertMatch(failing.error ?? "", /npm could not fetch carrier@1\.0\.0.*Check the connection/);
  const lying = await project.vendor({ npm: ["deno", "eval", "0"] });
  assertMatch(lying.error ?? "", /npm could not fetch carrier@1\.0\.0/);
  assertEquals(await names(project.root), ["deno.json", "deno.lock", "vendor.tmp-lock"]);
});

Deno.test("vendor() says so when deno.lock is unreadable or makes no sense", async () => {
  for (
    const [lock, message] of [
      [{ ...LOCK, version: "4" }, "not of version 5"],
      [{ ...LOCK, jsr: { "@std/../../evil@1.0.0": { integrity: "a".repeat(64) } } }, "no sense"],
      [{ ...LOCK, jsr: { "@std/path@../../evil": { integrity: "a".repeat(64) } } }, "no sense"],
      [{ ...LOCK, jsr: { "@std/path@1.1.3": { integrity: "" } } }, "no sense"],
    ] as const
  ) {
    await using project = await makeProject(lock);
    assertStringIncludes((await project.vendor()).error ?? "", message);
  }
});

Deno.test("vendor() leaves nothing half-made when it is killed, and the next run clears up", async () => {
  await using project = await makeProject();
  const { root } = project;
  const hang = { npm: fakeNpm(`${root}/../carrier.tgz`, "--hang") };
  const isWork = (name: string) => /^vendor\.tmp-(?!lock)/.test(name);
  // Killed while npm works, with no vendor/ before and with one that has to be made anew.
  for (const before of [false, true]) {
    if (before) {
      await project.vendor();
      await Deno.writeTextFile(`${root}/vendor/complete.json`, "{}");
    }
    const run = project.start(hang);
    while (!await hasTarball(root)) await new Promise((resolve) => setTimeout(resolve, 5));
    run.kill("SIGKILL");
    await run.output();
    assertEquals((await names(root)).filter(isWork).length, 1);
    assertEquals(await exists(`${root}/vendor`), before);
    if (before) assertEquals(await names(`${root}/vendor`), ["complete.json", "jsr.io"]);

    assertEquals((await project.vendor()).outcome, "npm");
    assertEquals(await names(root), CLEAN);
    await assertUsable(root);
  }
});

async function hasTarball(root: string): Promise<boolean> {
  for (const name of await names(root)) {
    if (await exists(`${root}/${name}/carrier-1.0.0.tgz`)) return true;
  }
  return false;
}

Deno.test("vendor() leaves vendor/ absent or complete at whatever moment it is killed", async () => {
  await using project = await makeProject();
  const { root } = project;
  const { signal } = Deno.build.os === "windows" ? { signal: "SIGTERM" } : { signal: "SIGKILL" };
  const started = performance.now();
  await project.vendor();
  const span = performance.now() - started;
  for (let part = 1; part <= 8; part++) {
    await Deno.remove(`${root}/vendor`, { recursive: true }).catch(() => {});
    const run = project.start();
    await new Promise((resolve) => setTimeout(resolve, span * part / 8));
    try {
      run.kill(signal as Deno.Signal);
    } catch {
      // It had ended.
    }
    await run.output();
    if (await exists(`${root}/vendor`)) {
      assert(await exists(`${root}/vendor/complete.json`));
      assertEquals((await project.vendor()).outcome, "present");
    }
  }
  await project.vendor();
  await assertUsable(root);
});

Deno.test("vendor() ends well when several run at once: one works, the others wait", async () => {
  await using project = await makeProject();
  const runs = await Promise.all([1, 2, 3, 4].map(() => project.vendor()));
  assertEquals(runs.map((run) => run.outcome).sort(), ["npm", "present", "present", "present"]);
  assertEquals(await names(project.root), CLEAN);
  await assertUsable(project.root);
});

Deno.test("vendor() does not clear away what a run at work is doing", async () => {
  await using project = await makeProject();
  await Deno.mkdir(`${project.root}/vendor.tmp-dead/vendor`, { recursive: true });
  const slow = project.start({ npm: fakeNpm(`${project.root}/../carrier.tgz`, "--hang") });
  while (!await hasTarball(project.root)) await new Promise((resolve) => setTimeout(resolve, 5));
  assertFalse(await exists(`${project.root}/vendor.tmp-dead`));
  // The slow one ends with half a tarball, which it refuses; the other one waits for that and works.
  const other = await project.vendor();
  assertEquals(other.outcome, "npm");
  assertEquals(other.reported[0], "waiting for another run to end");
  assertStringIncludes(new TextDecoder().decode((await slow.output()).stdout), "SHA-512");
  assertEquals(await names(project.root), CLEAN);
});

/** A JSR on loopback with one package. */
async function serveJsr(tamper: Record<string, string> = {}) {
  const encoder = new TextEncoder();
  const hash = async (text: string) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))).toHex();
  const modules: Record<string, string> = {
    "/mod.ts": 'export * from "./deep/join_all.ts";\n',
    "/deep/join_all.ts":
      'export const joinAll = (...parts: string[]): string => parts.join("/");\n',
  };
  const manifest: Record<string, unknown> = {};
  for (const [path, text] of Object.entries(modules)) {
    manifest[path] = { size: text.length, checksum: `sha256-${await hash(text)}` };
  }
  const meta = JSON.stringify({
    manifest,
    exports: { ".": "./mod.ts", "./join-all": "./deep/join_all.ts" },
  });
  const versions = { scope: "std", name: "path", latest: "1.1.3", versions: { "1.1.3": {} } };
  const files: Record<string, string> = {
    "/@std/path/meta.json": JSON.stringify(versions),
    "/@std/path/1.1.3_meta.json": meta,
  };
  for (const [path, text] of Object.entries(modules)) files[`/@std/path/1.1.3${path}`] = text;
  Object.assign(files, tamper);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const text = files[new URL(request.url).pathname];
    const type = request.url.endsWith(".ts") ? "text/typescript" : "application/json";
    return text === undefined
      ? new Response(null, { status: 404 })
      : new Response(text, { headers: { "content-type": type } });
  });
  const lock = {
    version: "5",
    specifiers: { "jsr:@std/path@^1.1.3": "1.1.3", "npm:other@1": "1.0.0" },
    jsr: { "@std/path@1.1.3": { integrity: await hash(meta) } },
    npm: { "other@1.0.0": { integrity: "sha512-x" } },
    workspace: { dependencies: ["jsr:@std/path@^1.1.3", "npm:other@1"] },
  };
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    folder: `http_127.0.0.1_${server.addr.port}`,
    lock,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A project that imports nothing but `@std/path`, and a run that asks the given JSR. */
async function vendorFrom(
  jsr: { url: string; lock: unknown },
  options: Record<string, unknown> = {},
): Promise<Project & { result: Outcome }> {
  const project = await makeProject(jsr.lock);
  const imports = { "@std/path": "jsr:@std/path@^1.1.3", "other": "npm:other@1" };
  await Deno.writeTextFile(`${project.root}/deno.json`, JSON.stringify({ imports }));
  // Deno keeps what it downloads; a later test on the same port would meet it again.
  const cache = `${project.root}/../deno_dir`;
  const result = await project.vendor({ jsrUrl: jsr.url, ...options }, { DENO_DIR: cache });
  return { ...project, result };
}

Deno.test("vendor() lets Deno download from JSR when it answers", async () => {
  await using jsr = await serveJsr();
  await using project = await vendorFrom(jsr, { npm: ["deno", "eval", "Deno.exit(9)"] });
  assertEquals(project.result.outcome, "jsr", JSON.stringify(project.result));
  assertEquals(await names(project.root), CLEAN);
  const folder = `${project.root}/vendor/${jsr.folder}/@std/path`;
  assertEquals(await names(folder), ["1.1.3", "1.1.3_meta.json", "meta.json"]);
  assertEquals(await names(`${folder}/1.1.3`), ["deep", "mod.ts"]);
  assertEquals((await project.vendor({ jsrUrl: NO_JSR })).outcome, "present");
});

Deno.test("vendor() refuses what JSR serves when it is not what the lockfile pins", async () => {
  const forgedMeta = JSON.stringify({ manifest: {}, exports: { ".": "./mod.ts" } });
  const tampered = { "/@std/path/1.1.3/mod.ts": "export const joinAll = 0;\n" };
  for (const forged of [{ "/@std/path/1.1.3_meta.json": forgedMeta }, tampered]) {
    await using honest = await serveJsr();
    await using jsr = await serveJsr(forged);
    await using project = await vendorFrom({ ...jsr, lock: honest.lock });
    const { error = "", outcome } = project.result;
    assertEquals(outcome, undefined, JSON.stringify(project.result));
    assertMatch(
      error,
      /^What JSR served is not what deno\.lock pins\. Nothing was installed/,
    );
    assertEquals(await names(project.root), ["deno.json", "deno.lock", "vendor.tmp-lock"]);
  }
});

Deno.test("vendor() goes on to npm when what answers is not JSR, or never ends", async () => {
  const portal = () => new Response("<title>Welcome to the hotel</title>");
  const tarpit = () => new Response(new ReadableStream());
  for (const handler of [portal, tarpit]) {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      handler,
    );
    await using project = await makeProject();
    const jsrUrl = `http://127.0.0.1:${server.addr.port}/`;
    const result = await project.vendor({ jsrUrl, jsrTimeoutMs: 200 });
    assertEquals(result.outcome, "npm", JSON.stringify(result));
  }
});

Deno.test("tools/vendor.ts takes less than 100 ms when there is nothing to do", async () => {
  const command = new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", "-P=vendor", "tools/vendor.ts"],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
  });
  const times: number[] = [];
  for (let run = 0; run < 8; run++) {
    const started = performance.now();
    const { success, stderr } = await command.output();
    times.push(performance.now() - started);
    assert(success, new TextDecoder().decode(stderr));
    assertEquals(stderr.length, 0);
  }
  // The fastest of them, as other tests keep the processors busy; what Deno takes to start is in it.
  assertLess(Math.min(...times), 100 + await startUpMs());
});

/** What starting Deno costs here beyond the usual, such as the detour of npm's launcher. */
async function startUpMs(): Promise<number> {
  const started = performance.now();
  await new Deno.Command("deno", { args: ["--version"], stdout: "null" }).output();
  return performance.now() - started;
}
