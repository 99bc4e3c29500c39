import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { AuditEventInput, AuditReporter } from "../../src/events/audit_event.ts";
import type { OperationOptions } from "../../src/files/_context.ts";
import { makeLimits } from "../../src/files/_limits.ts";
import { RECORD_GRACE_MS } from "../../src/files/_records.ts";
import { openBestEffort } from "../../src/files/backends/best_effort.ts";
import { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import { availableBackends } from "./_backends.ts";
import { codeOf, namesIn, Recorder, streamOf, testEach } from "./_each_backend.ts";
import { makeTree } from "./_tree.ts";
import { OpenHandles, wrapBackend } from "./_wrapped_backend.ts";

const never = (): Promise<void> => new Promise(() => {});

/** A task of the event loop, after every promise that could settle by now. */
const turn = (): Promise<void> => new Promise((go) => setTimeout(go, 0));

/** A stream that says one word and then stands still. */
const standing = (): ReadableStream<Uint8Array> =>
  new ReadableStream({ start: (source) => source.enqueue(new TextEncoder().encode("written")) });

/** A reporter that answers when it is told to. */
class SlowReporter implements AuditReporter {
  readonly events: AuditEventInput[] = [];
  readonly asked: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly answer: PromiseWithResolvers<void> = Promise.withResolvers();
  async report(event: AuditEventInput): Promise<void> {
    this.asked.resolve();
    await this.answer.promise;
    this.events.push(event);
  }
}

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.catch(() => {}).then(() => settled = true);
  await turn();
  return settled;
}

const told = ({ kind, outcome, code }: AuditEventInput) => [kind, outcome, code];

// --- Closing

testEach("close() does not keep out of the log what was done", ["d/"], async (t) => {
  const { root } = t.tree;
  for (let index = 0; index < 2000; index++) Deno.writeTextFileSync(`${root}/d/${index}`, "");
  Deno.writeFileSync(`${root}/big`, new Uint8Array(100_000));
  const works: Record<
    string,
    (files: FileSecurityValidator) => Promise<{ work: Promise<string> }>
  > = {
    "file.write": async (files) => {
      const work = codeOf(files.writeFile("x", standing(), { atomic: false }));
      const size = () => namesIn(root).includes("x") ? Deno.statSync(`${root}/x`).size : 0;
      while (size() === 0) await turn();
      return { work };
    },
    "file.read": async (files) => {
      const reader = (await files.readable("big")).getReader();
      await reader.read();
      return { work: codeOf(reader.closed) };
    },
    "file.remove": async (files) => {
      const work = codeOf(files.remove("d", { recursive: true }));
      while (namesIn(`${root}/d`).length === 2000) await turn();
      return { work };
    },
  };
  for (const [kind, start] of Object.entries(works)) {
    const audit = new Recorder();
    const files = await t.open({ audit });
    const { work } = await start(files);
    await files.close();
    assertEquals(audit.events.map(told), [[kind, "error", "closed"]]);
    assertEquals(await work, "closed");
  }
  assert(namesIn(`${root}/d`).length > 0);
});

Deno.test("close() keeps out of the log what was only waiting", async () => {
  using tree = makeTree(["size big 100000"]);
  const audit = new Recorder();
  const started = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const files = await FileSecurityValidator.open({
    roots: [tree.root],
    resources: { maxConcurrentOperations: 1 },
    backend: wrapBackend(openBestEffort, {
      aroundRead: async (_into, read) => {
        started.resolve();
        await held.promise;
        return await read();
      },
    }),
    audit,
  });
  const running = codeOf(files.readFile("big", { principal: "running" }));
  const waiting = codeOf(files.readFile("big", { principal: "waiting" }));
  await started.promise;
  const closing = files.close();
  assertEquals(await waiting, "closed");
  held.resolve();
  await closing;
  assertEquals(await running, "closed");
  assertEquals(audit.events.map(({ principal }) => principal), ["running"]);
});

testEach("nothing is recorded any more once close() has resolved", ["f"], async (t) => {
  const works: readonly ((files: FileSecurityValidator) => Promise<unknown>)[] = [
    (files) => files.validate("f"),
    (files) => files.writeFile("g", "x"),
    (files) => files.writeFile("h", new Response("x").body!),
    async (files) => await new Response(await files.readable("f")).text(),
  ];
  for (const work of works) {
    // Whenever it closes: there are a few moments between the work and the start of its record.
    for (let turns = 0; turns < 30; turns++) {
      const audit = new Recorder();
      const files = await t.open({ audit });
      const working = work(files).catch(() => {});
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await files.close();
      const recorded = audit.events.length;
      await working;
      await turn();
      assertEquals(audit.events.length, recorded);
    }
  }
});

testEach("close() waits for the records of what was done", ["f"], async (t) => {
  const works: Record<string, (files: FileSecurityValidator) => Promise<unknown>> = {
    "file.validate": (files) => files.validate("f"),
    "file.write": (files) => files.writeFile("g", streamOf("text")),
    "file.read": async (files) => await new Response(await files.readable("f")).text(),
    "file.list": (files) => Array.fromAsync(files.walk(".")),
  };
  for (const work of Object.values(works)) {
    const audit = new SlowReporter();
    const files = await t.open({ audit });
    const working = work(files);
    await audit.asked.promise;
    const closing = files.close();
    assertFalse(await isSettled(closing));
    audit.answer.resolve();
    await closing;
    assertEquals(audit.events.map(({ outcome }) => outcome), ["success"]);
    await working;
  }
});

testEach("close() gives up a reporter that never answers", ["f"], async (t) => {
  const files = await t.open({ audit: { report: never } });
  const reading = codeOf(files.readFile("f"));
  const stream = (await files.readable("f")).getReader();
  await stream.read();
  const streaming = codeOf(stream.read());
  await turn();
  const original = globalThis.setTimeout;
  const timers: { readonly late: () => void; readonly ms: number | undefined }[] = [];
  globalThis.setTimeout = ((late: () => void, ms?: number) => timers.push({ late, ms })) as
    & typeof setTimeout
    & ((late: () => void, ms?: number) => number);
  const closing = files.close();
  globalThis.setTimeout = original;
  assertFalse(await isSettled(closing));
  assertEquals(timers.map(({ ms }) => ms), [RECORD_GRACE_MS]);
  timers[0]!.late();
  await closing;
  assertEquals(await Promise.all([reading, streaming]), ["audit-unavailable", "audit-unavailable"]);
});

// --- A reporter that never answers

testEach("an abort or close() ends the wait for a reporter to be ready", ["f"], async (t) => {
  const audit = { report() {}, ready: never };
  const reason = new Error("enough");
  const works: ((files: FileSecurityValidator, options: OperationOptions) => Promise<unknown>)[] = [
    (files, options) => files.writeFile("g", "x", options),
    (files, options) => files.writeFile("g", streamOf("x"), options),
    (files, options) => files.remove("f", options),
  ];
  for (const work of works) {
    const files = await t.open({ audit });
    const controller = new AbortController();
    const aborted = work(files, { signal: controller.signal });
    const closed = codeOf(work(files, {}));
    await turn();
    controller.abort(reason);
    assertStrictEquals(await aborted.catch((error) => error), reason);
    assertFalse(await isSettled(closed));
    await files.close();
    assertEquals(await closed, "closed");
    assertEquals(namesIn(t.tree.root), ["f"]);
  }
});

testEach("no more wait for a reporter than may run and wait", [], async (t) => {
  let asked = 0;
  const audit = {
    report() {},
    ready: () => {
      asked++;
      return never();
    },
  };
  const resources = { maxConcurrentOperations: 1, maxQueuedOperations: 2 };
  const files = await t.open({ audit, resources });
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = [1, 2, 3].map(() => files.mkdir("d", { signal }).catch((error) => error.name));
  assertEquals(await codeOf(files.mkdir("d")), "too-many-operations");
  assertEquals(asked, 3);
  controller.abort();
  assertEquals(await Promise.all(waiting), ["AbortError", "AbortError", "AbortError"]);
  const again = codeOf(files.mkdir("d"));
  await turn();
  assertEquals(asked, 4);
  await files.close();
  assertEquals(await again, "closed");
});

testEach("a change waits for a reporter that is slow to be ready", [], async (t) => {
  const ready = Promise.withResolvers<void>();
  const resources = { maxConcurrentOperations: 1, maxQueuedOperations: 0 };
  const files = await t.open({ audit: { report() {}, ready: () => ready.promise }, resources });
  const writing = files.writeFile("f", "x", { signal: new AbortController().signal });
  await turn();
  assertEquals(namesIn(t.tree.root), []);
  ready.resolve();
  await writing;
  assertEquals(namesIn(t.tree.root), ["f"]);
});

testEach("an abort ends the wait for a record, which is made all the same", ["f"], async (t) => {
  const reason = new Error("enough");
  const works: Record<
    string,
    (files: FileSecurityValidator, options: OperationOptions) => Promise<unknown>
  > = {
    validate: (files, options) => files.validate("f", options),
    open: (files, options) => files.open("f", options),
    upload: (files, options) => files.writeFile("g", streamOf("x"), options),
    stream: async (files, options) => await new Response(await files.readable("f", options)).text(),
    walk: (files, options) => Array.fromAsync(files.walk(".", options)),
  };
  for (const [name, work] of Object.entries(works)) {
    const audit = new SlowReporter();
    const files = await t.open({ audit });
    const controller = new AbortController();
    const working = work(files, { signal: controller.signal });
    await audit.asked.promise;
    controller.abort(reason);
    assertStrictEquals(await working.catch((error) => error), reason, name);
    const closing = files.close();
    assertFalse(await isSettled(closing), name);
    audit.answer.resolve();
    await closing;
    assertEquals(audit.events.map(({ outcome }) => outcome), ["success"], name);
  }
});

testEach("what failed keeps its error when its record is not waited for", [], async (t) => {
  const audit = new SlowReporter();
  const files = await t.open({ audit });
  const controller = new AbortController();
  const working = codeOf(files.validate("missing", { signal: controller.signal }));
  await audit.asked.promise;
  controller.abort();
  assertEquals(await working, "not-found");
  audit.answer.reject(new Error("lost"));
});

// --- What is open while a caller is waited for

Deno.test("makeLimits() lets as many files be open as four times the operations", () => {
  const most = (maxConcurrentOperations: number) =>
    makeLimits({ maxConcurrentOperations }).openFiles.max;
  assertEquals([most(1), most(16), most(17), most(64)], [64, 64, 68, 256]);
  assertEquals(most(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
});

Deno.test("readable() refuses more streams than may be open", async () => {
  using tree = makeTree(["f", "size big 100000"]);
  const handles = new OpenHandles();
  const files = await FileSecurityValidator.open({
    roots: [tree.root],
    resources: { maxConcurrentOperations: 1 },
    backend: wrapBackend(openBestEffort, {}, handles),
  });
  const controller = new AbortController();
  const streams = await Promise.all(
    Array.from({ length: 64 }, () => files.readable("f", { signal: controller.signal })),
  );
  assertEquals(handles.count, 64);
  assertEquals(await codeOf(files.readable("f")), "too-many-operations");
  assertEquals(handles.count, 64);
  // Whatever ends a stream makes room for one: its end, its reader, its signal. What fails takes none.
  await streams[0]!.cancel();
  for (let again = 0; again < 3; again++) {
    assertEquals(await codeOf(files.readable("missing")), "not-found");
    assertEquals((await new Response(await files.readable("big")).bytes()).byteLength, 100_000);
  }
  const last = await files.readable("f");
  assertEquals(await codeOf(files.readable("f")), "too-many-operations");
  await last.cancel();
  controller.abort();
  assertEquals(handles.count, 0);
  const more = await Promise.all(Array.from({ length: 64 }, () => files.readable("f")));
  await files.close();
  assertEquals([handles.count, more.length], [0, 64]);
});

testEach("readable() works with little memory", ["size big 100000"], async (t) => {
  for (const maxBytesInFlight of [999, 65_535, 65_536]) {
    const files = await t.open({ resources: { maxBytesInFlight } });
    const bytes = await new Response(await files.readable("big")).bytes();
    assertEquals(bytes.byteLength, 100_000);
    const reader = (await files.readable("big")).getReader({ mode: "byob" });
    const { value } = await reader.read(new Uint8Array(80_000));
    assertEquals(value?.byteLength, maxBytesInFlight);
    await reader.cancel();
  }
});

// --- Options that are none

const OPERATIONS: Readonly<
  Record<string, (files: FileSecurityValidator, options: OperationOptions) => Promise<unknown>>
> = {
  validate: (files, options) => files.validate("f", options),
  open: (files, options) => files.open("f", options),
  readFile: (files, options) => files.readFile("f", options),
  readTextFile: (files, options) => files.readTextFile("f", options),
  readRange: (files, options) => files.readRange("f", options),
  readInto: (files, options) => files.readInto("f", new Uint8Array(1), options),
  readable: (files, options) => files.readable("f", options),
  writeFile: (files, options) => files.writeFile("g", "x", options),
  upload: (files, options) => files.writeFile("g", streamOf("x"), options),
  mkdir: (files, options) => files.mkdir("g", options),
  remove: (files, options) => files.remove("f", options),
  rename: (files, options) => files.rename("f", "g", options),
  copy: (files, options) => files.copy("f", "g", options),
  stat: (files, options) => files.stat("f", options),
  list: (files, options) => files.list(".", options),
  walk: (files, options) => Array.fromAsync(files.walk(".", options)),
  subroot: (files, options) => files.subroot(".", options),
};

Deno.test("every operation refuses a signal or principal that is none", async () => {
  using tree = makeTree(["f"]);
  const wrong: readonly Record<string, unknown>[] = [
    { signal: { aborted: false } },
    { signal: Object.create(AbortSignal.prototype) },
    { signal: null },
    { signal: new AbortController() },
    { principal: 7 },
    { principal: null },
    { principal: { toString: () => "root" } },
  ];
  for (const audit of [undefined, new Recorder()]) {
    const handles = new OpenHandles();
    await using files = await FileSecurityValidator.open({
      roots: [tree.root],
      backend: wrapBackend(openBestEffort, {}, handles),
      ...(audit === undefined ? {} : { audit }),
    });
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      for (const options of wrong) {
        await assertRejects(() => operation(files, options), TypeError, undefined, name);
        assertEquals(handles.count, 0, name);
      }
    }
    assertEquals(audit?.events ?? [], []);
  }
  assertEquals(namesIn(tree.root), ["f"]);
});

Deno.test("every operation rejects, and never throws, when its options are none", async () => {
  using tree = makeTree(["f"]);
  await using files = await FileSecurityValidator.open({
    roots: [tree.root],
    backend: openBestEffort,
  });
  const words = { maxBytes: Symbol("1"), offset: Symbol("1") };
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    for (const wrong of [null, 7, "", true]) {
      const working = operation(files, wrong as OperationOptions);
      await assertRejects(() => working, TypeError, undefined, `${name} ${JSON.stringify(wrong)}`);
    }
    // A message that quotes such a value throws by itself.
    const working = operation(files, { ...words, signal: 7 } as unknown as OperationOptions);
    await assertRejects(() => working, TypeError, undefined, name);
  }
  assertEquals(namesIn(tree.root), ["f"]);
});

testEach("the principal is read once, before anything is done, and clipped", [], async (t) => {
  const audit = new Recorder();
  const files = await t.open({ audit });
  let read = 0;
  await files.writeFile("f", "x", {
    get principal() {
      return read++ === 0 ? "p".repeat(5_000) : "another";
    },
  });
  assertEquals(read, 1);
  assertEquals(audit.events[0]?.principal, `${"p".repeat(1023)}…`);
  await files.validate("f", { principal: "q".repeat(1024) });
  assertEquals(audit.events[1]?.principal, "q".repeat(1024));
  const failure = new Error("getter");
  const hostile = {
    get principal(): string {
      throw failure;
    },
  };
  assertThrows(() => hostile.principal);
  for (const work of [files.writeFile("g", "x", hostile), files.validate("f", hostile)]) {
    assertStrictEquals(await work.catch((error) => error), failure);
  }
  assertEquals(namesIn(t.tree.root), ["f"]);
});

Deno.test("open() reads its options once, when it is called", async () => {
  using tree = makeTree(["f"]);
  const audit = new Recorder();
  const read: string[] = [];
  const given = { roots: [tree.root], policy: {}, resources: {}, audit, backend: openBestEffort };
  const options = new Proxy({ ...given, protection: "best-effort" as const }, {
    get(target, name) {
      // Whoever asks again is told that there is no policy and no reporter.
      if (read.includes(String(name))) return undefined;
      read.push(String(name));
      return Reflect.get(target, name);
    },
  });
  const opening = FileSecurityValidator.open(options);
  const changed = { roots: [tree.root], audit: audit as AuditReporter | undefined };
  const other = FileSecurityValidator.open(changed as { roots: string[] });
  changed.audit = undefined;
  for (const files of [await opening, await other]) {
    await files.validate("f");
    await files.close();
  }
  assertEquals(audit.events.map(({ kind }) => kind), ["file.validate", "file.validate"]);
});

// --- What an event says of a destination

testEach("the event of a refused rename or copy names the destination", ["f", "d/"], async (t) => {
  const audit = new Recorder();
  const files = await t.open({ audit, policy: { forbiddenPaths: ["d"] } });
  const outside = "../../etc/cron.d/evil";
  for (const to of [outside, "d/secret", `d/${"x".repeat(5000)}`]) {
    for (const work of [files.rename("f", to), files.copy("f", to)]) await codeOf(work);
  }
  assertEquals(
    audit.events.map(({ details }) => details?.to),
    [outside, "d/secret", `d/${"x".repeat(1021)}…`].flatMap((to) => [to, to]),
  );
  audit.events.length = 0;
  await files.copy("f", "g");
  await files.rename("g", "h");
  assertEquals(audit.events.map(({ details }) => details?.to), [
    `${t.tree.root}/g`,
    `${t.tree.root}/h`,
  ]);
});

testEach("the event of a recursive mkdir() says what was made", ["d/"], async (t) => {
  const audit = new Recorder();
  const files = await t.open({ audit });
  const { root } = t.tree;
  const long = `d/q/r/${"x".repeat(300)}`;
  assertEquals(await codeOf(files.mkdir(long, { recursive: true })), "name-too-long");
  await files.mkdir("d/q/s/t", { recursive: true });
  await files.mkdir("d/q/s/t", { recursive: true });
  assertEquals(audit.events.map(({ outcome, details }) => [outcome, details]), [
    ["failure", { made: `${root}/d/q/r`, levels: 2 }],
    ["success", { made: `${root}/d/q/s/t`, levels: 2 }],
    ["success", undefined],
  ]);
});

// --- Turns of the event loop

const MANY = 2500;
const many = Array.from({ length: MANY }, (_, index) => `t/${index}/`);

for (const { protection, backend } of await availableBackends()) {
  Deno.test(`${protection}: what goes through many small directories gives timers their turn`, async () => {
    using tree = makeTree(many);
    const inner = `${tree.root}/inner`;
    Deno.mkdirSync(inner);
    let sinceTurn = 0;
    let most = 0;
    await using files = await FileSecurityValidator.open({
      roots: [tree.root, inner],
      backend: wrapBackend(backend, { beforeLocate: () => most = Math.max(most, ++sinceTurn) }),
    });
    const works: Record<string, () => Promise<unknown>> = {
      walk: () => Array.fromAsync(files.walk("t", { includeDirectories: false })),
      rename: () => files.rename("t", "inner/t"),
      remove: () => files.remove("inner/t", { recursive: true }),
    };
    for (const [name, work] of Object.entries(works)) {
      [most, sinceTurn] = [0, 0];
      const ticking = setInterval(() => sinceTurn = 0, 0);
      await work();
      clearInterval(ticking);
      assert(most < MANY / 2, `${name}: ${most}`);
    }
  });
}

testEach("a timer can abort what looks at the names of one directory", [], async (t) => {
  const { root } = t.tree;
  Deno.mkdirSync(`${root}/d`);
  for (let index = 0; index < MANY; index++) Deno.writeTextFileSync(`${root}/d/${index}`, "");
  Deno.mkdirSync(`${root}/inner`);
  const files = await t.open({ roots: [root, `${root}/inner`] });
  const reason = new Error("enough");
  const works: ((options: OperationOptions) => Promise<unknown>)[] = [
    (options) => files.rename("d", "inner/d", options),
    (options) => files.remove("d", { ...options, recursive: true }),
    (options) => Array.fromAsync(files.walk("d", options)),
  ];
  for (const work of works) {
    const controller = new AbortController();
    const working = work({ signal: controller.signal });
    setTimeout(() => controller.abort(reason), 0);
    assertStrictEquals(await working.catch((error) => error), reason);
    assertEquals(namesIn(`${root}/d`).length, MANY);
  }
});

// --- Permissions that are revoked meanwhile

/** Revokes the permission to read while an operation waits; says the code, and what was asked afterwards. */
const REVOKES = `
import { FileSecurityValidator } from "@bartizan/security";
import { openat2 } from "@bartizan/security/openat2";
import fs from "node:fs";
const [root, protection, kind] = Deno.args;
let revoked = false;
const calls = [];
for (const [on, names] of [[Deno, ["statSync", "lstatSync", "readLinkSync"]], [fs, ["fstatSync"]]]) {
  for (const name of names) {
    const real = on[name];
    on[name] = (...args) => {
      if (revoked) calls.push(name);
      return real(...args);
    };
  }
}
Deno.writeFileSync(root + "/big", new Uint8Array(3 << 20));
const backend = protection === "kernel" ? { backend: openat2() } : {};
const files = await FileSecurityValidator.open({ roots: [root], protection, ...backend, resources: { maxBytesInFlight: 4 << 20 } });
const works = {
  copy: () => files.copy("big", "copy"),
  read: () => files.readFile("big"),
};
const big = Deno.openSync(root + "/big", { append: true });
const reading = kind === "copy" ? files.readFile("big") : undefined;
const work = works[kind]().then(() => "done", (error) => error.code);
big.writeSync(new Uint8Array(100));
for (const name of ["read", "write"]) Deno.permissions.revokeSync({ name });
revoked = true;
await reading?.catch(() => {});
console.log(JSON.stringify([files.protection, await work, calls]));
`;

const UNDER = [
  ["kernel", ["--allow-read", "--allow-write", "--allow-ffi"], Deno.build.os !== "linux"],
  ["fd-verified", ["--allow-all"], Deno.build.os !== "linux"],
  ["best-effort", ["--allow-read", "--allow-write"], false],
] as const;

for (const [protection, flags, ignore] of UNDER) {
  if (ignore) console.log(`skipped: a revoked permission with ${protection} (it is for Linux)`);
  Deno.test({
    name: `${protection}: a read or copy whose permission is revoked asks for nothing`,
    ignore,
    fn: async () => {
      using tree = makeTree([]);
      await Deno.writeTextFile(`${tree.work}/revokes.ts`, REVOKES);
      for (const kind of ["copy", "read"]) {
        const { stdout, stderr } = await new Deno.Command("deno", {
          args: [
            ...["run", "-q", "--no-check", "--no-prompt"],
            `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
            ...flags,
            ...[`${tree.work}/revokes.ts`, tree.root, protection, kind],
          ],
        }).output();
        assertEquals(new TextDecoder().decode(stderr), "");
        const told = JSON.parse(new TextDecoder().decode(stdout));
        assertEquals(told, [protection, "permission-missing", []], kind);
      }
    },
  });
}
