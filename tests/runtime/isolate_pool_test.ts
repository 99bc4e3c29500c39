import {
  assert,
  assertEquals,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { IsolatePool } from "../../src/runtime/isolate_pool.ts";
import { closeIsolated, runIsolated } from "../../src/runtime/run_isolated.ts";

const MiB = 2 ** 20;

function moduleOf(source: string): string {
  return `data:application/javascript,${encodeURIComponent(source)}`;
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(work, SecurityError);
  return error.code;
}

/** A loop, a regular expression that backtracks, and a promise that never settles. */
const HANGS: readonly (readonly [string, string])[] = [
  ["a loop", "() => { for (;;); }"],
  ["a regular expression", `() => /^(a+)+$/.test("a".repeat(40) + "!")`],
  ["a promise", "() => new Promise(() => {})"],
];

for (const [name, source] of HANGS) {
  Deno.test(`IsolatePool.run() ends ${name} at the deadline, and the next job works`, async () => {
    const job = `const hang = ${source}; export default (n) => n === 0 ? hang() : n;`;
    await using pool = new IsolatePool(moduleOf(job));
    await pool.warm();
    assertEquals(await codeOf(() => pool.run(0, { timeoutMs: 50 })), "timeout");
    assertEquals(pool.stats().killed, 1);
    assertEquals(await pool.run(7), 7);
  });
}

Deno.test("worker.terminate() does not end a loop: what a process of its own is for", async () => {
  const source = `setTimeout(() => { postMessage("on"); for (;;); }, 0)`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "eval",
        `const worker = new Worker(${JSON.stringify(moduleOf(source))}, {type: "module"});
      worker.onmessage = () => { worker.terminate(); console.log("terminated"); };`,
      ],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assertStringIncludes(new TextDecoder().decode(value), "terminated");
  const late = new Promise((resolve) => {
    const timer = setTimeout(() => resolve("runs on"), 1000);
    child.status.then(() => clearTimeout(timer)).then(() => resolve("ended"));
  });
  assertEquals(await late, "runs on");
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
});

Deno.test("IsolatePool.run() gives the module no permission, and only those that are named", async () => {
  const job = `export default async (path) => {
    const found = [];
    try { found.push(await Deno.readTextFile(path)); } catch (error) { found.push(error.name); }
    try { found.push(Deno.env.get("HOME") ?? "none"); } catch (error) { found.push(error.name); }
    try { found.push((await new Deno.Command("/bin/true").output()).code); }
    catch (error) { found.push(error.name); }
    return found;
  }`;
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "text");
    const denied = ["NotCapable", "NotCapable", "NotCapable"];
    await using bare = new IsolatePool(moduleOf(job));
    assertEquals(await bare.run(path), denied);
    await using pool = new IsolatePool(moduleOf(job), { permissions: { read: [path] } });
    assertEquals(await pool.run(path), ["text", "NotCapable", "NotCapable"]);
    assertEquals(await pool.run("/etc/hostname"), denied);
  } finally {
    await Deno.remove(path);
  }
});

const MEMORY: readonly (readonly [string, string])[] = [
  ["V8's heap", "() => { const all = []; for (;;) all.push(new Array(1e5).fill({})); }"],
  [
    "memory beside the heap",
    "() => { const all = []; for (;;) all.push(new Uint8Array(1e7).fill(1)); }",
  ],
];

for (const [name, source] of MEMORY) {
  Deno.test(`IsolatePool.run() ends a job that fills ${name}`, async () => {
    await using pool = new IsolatePool(moduleOf(`export default ${source}`), {
      maxMemoryBytes: 160 * MiB,
    });
    assertEquals(await codeOf(() => pool.run(null)), "isolate-out-of-memory");
    assertEquals(pool.stats().running, 0);
  });
}

Deno.test("IsolatePool.run() tells what the module threw in the cause alone", async () => {
  await using pool = new IsolatePool(
    moduleOf(`export default (n) => { throw new RangeError("secret " + n); }`),
  );
  const error = await assertRejects(() => pool.run(1), SecurityError);
  assertEquals([error.code, error.message.includes("secret")], ["isolate-failed", false]);
  assertEquals(error.cause, { name: "RangeError", message: "secret 1" });
  assertEquals(await codeOf(() => pool.run(2)), "isolate-failed");
  assertEquals(pool.stats().processes, 1);
});

const BROKEN: readonly (readonly [string, string])[] = [
  ["has no default export", "export const job = 1;"],
  ["throws when loaded", `throw new Error("no");`],
  ["does not parse", "export default ("],
  ["ends its process", "export default () => Deno.exit(3);"],
  [
    "writes to stdout itself",
    `export default () => { Deno.stdout.writeSync(new Uint8Array([0, 0, 0, 1, 65])); }`,
  ],
  ["gives what JSON cannot say", "export default () => 1n;"],
];

for (const [name, source] of BROKEN) {
  Deno.test(`IsolatePool.run() rejects with isolate-failed when the module ${name}`, async () => {
    await using pool = new IsolatePool(moduleOf(source));
    assertEquals(await codeOf(() => pool.run(1)), "isolate-failed");
    assertLess(pool.stats().processes, 2);
  });
}

Deno.test("IsolatePool.run() drops what the module prints", async () => {
  const job =
    `console.log("loaded"); export default () => { console.log("x"); console.table([1]); return 1; }`;
  await using pool = new IsolatePool(moduleOf(job));
  assertEquals(await pool.run(null), 1);
  assertEquals(await pool.run(null), 1);
});

Deno.test("IsolatePool.run() takes no answer that was left over from another job", async () => {
  const job = `export default (n) => {
    const answer = new TextEncoder().encode(JSON.stringify({ id: "1", output: "of the first" }));
    const frame = new Uint8Array(4 + answer.length);
    new DataView(frame.buffer).setUint32(0, answer.length);
    frame.set(answer, 4);
    if (n === 1) setTimeout(() => Deno.stdout.writeSync(frame), 20);
    return n;
  }`;
  await using pool = new IsolatePool(moduleOf(job));
  assertEquals(await pool.run(1), 1);
  // The next job's process has time to write what is not an answer.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assertEquals(await codeOf(() => pool.run(2)), "isolate-failed");
  assertEquals(await pool.run(3), 3);
});

Deno.test("IsolatePool.run() leaves a process that still starts to the next job", async () => {
  await using pool = new IsolatePool(moduleOf("export default (n) => n;"), {
    maxJobsPerProcess: 1,
    maxInputBytes: 100,
  });
  assertEquals(await codeOf(() => pool.run(1, { timeoutMs: 1 })), "timeout");
  // Nor does input that is refused use a process up.
  assertEquals(await codeOf(() => pool.run("x".repeat(200))), "too-large");
  assertEquals([pool.stats().killed, pool.stats().processes], [0, 1]);
  assertEquals(await pool.run(2), 2);
});

Deno.test("IsolatePool.run() ends a module that takes too much memory while it is loaded", async () => {
  const job = `const all = []; for (;;) all.push(new Uint8Array(1e7).fill(1));`;
  await using pool = new IsolatePool(moduleOf(job), { maxMemoryBytes: 160 * MiB });
  assertEquals(await codeOf(() => pool.run(1)), "isolate-out-of-memory");
});

Deno.test("IsolatePool.run() gives the module no storage that outlives its process", async () => {
  const job = "export default () => [typeof localStorage, typeof sessionStorage, typeof caches];";
  await using pool = new IsolatePool(moduleOf(job));
  assertEquals(await pool.run(null), ["undefined", "undefined", "undefined"]);
});

Deno.test("IsolatePool.run() throws when the input is nothing that JSON can say", async () => {
  await using pool = new IsolatePool(moduleOf("export default (n) => n;"));
  await assertRejects(() => pool.run(() => {}), TypeError);
  await assertRejects(() => pool.run(1n), TypeError);
  assertEquals(await pool.run(undefined), null);
});

Deno.test("runIsolated() closes no pool that is in use for a new one", async () => {
  const modules = Array.from({ length: 17 }, (_, n) => moduleOf(`export default () => ${n};`));
  const outputs = await Promise.all(modules.map((module) => runIsolated(module, null)));
  await closeIsolated();
  assertEquals(outputs, modules.map((_, n) => n));
});

Deno.test("IsolatePool.run() bounds input and output", async () => {
  const job = `export default (n) => typeof n === "number" ? "x".repeat(n) : n.length`;
  await using pool = new IsolatePool(moduleOf(job), { maxInputBytes: 1e5, maxOutputBytes: 1e5 });
  assertEquals(await codeOf(() => pool.run("x".repeat(2e5))), "too-large");
  assertEquals(await pool.run("x".repeat(5e4)), 5e4);
  assertEquals(await codeOf(() => pool.run(2e5)), "too-large");
  assertEquals(await pool.run(3), "xxx");
});

Deno.test("IsolatePool.run() rejects with the signal's reason, and kills the job", async () => {
  await using pool = new IsolatePool(moduleOf("export default () => { for (;;); }"));
  await pool.warm();
  const controller = new AbortController();
  const work = pool.run(null, { signal: controller.signal });
  const rejected = assertRejects(() => work);
  setTimeout(() => controller.abort(new Error("gone")), 20);
  await rejected;
  assertEquals(await work.catch((error) => error.message), "gone");
  assertEquals(pool.stats().killed, 1);
});

Deno.test("IsolatePool.run() gives a process one job at a time, and bounds those that wait", async () => {
  const job = `let inside = 0; export default async () => {
    const others = inside++;
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside--;
    return others;
  }`;
  await using pool = new IsolatePool(moduleOf(job), { maxQueue: 2 });
  const works = [pool.run(0), pool.run(1), pool.run(2)];
  assertEquals(await codeOf(() => pool.run(3)), "queue-full");
  assertEquals(await Promise.all(works), [0, 0, 0]);
});

Deno.test("IsolatePool.run() replaces a process after maxJobsPerProcess jobs", async () => {
  await using pool = new IsolatePool(moduleOf("let n = 0; export default () => n++;"), {
    maxJobsPerProcess: 2,
  });
  const seen: unknown[] = [];
  for (let at = 0; at < 5; at++) seen.push(await pool.run(null));
  assertEquals(seen, [0, 1, 0, 1, 0]);
});

Deno.test("IsolatePool.close() ends what runs, what waits, and all that comes later", async () => {
  const pool = new IsolatePool(moduleOf("export default () => { for (;;); }"));
  await pool.warm();
  const codes = [codeOf(() => pool.run(0)), codeOf(() => pool.run(1))];
  await pool.close();
  assertEquals(await Promise.all(codes), ["closed", "closed"]);
  assertEquals(await codeOf(() => pool.run(2)), "closed");
});

Deno.test("new IsolatePool() refuses what would weaken it", () => {
  const module = moduleOf("export default 1");
  const make = (options: object) => () => new IsolatePool(module, options);
  assertThrows(() => new IsolatePool("./job.ts"), TypeError, "absolute URL");
  assertThrows(make({ permissions: { read: "/a" } }), TypeError, "a list of names");
  assertThrows(make({ permissions: { run: ["sh"] } }), TypeError, "no permission is called 'run'");
  assertThrows(make({ permissions: { read: ["/a,/etc"] } }), TypeError, "without a comma");
  assertThrows(make({ maxMemoryBytes: MiB }), RangeError);
  assertThrows(make({ processes: NaN }), RangeError);
});

Deno.test("runIsolated() shares processes between calls, which keep no program alive", async () => {
  const source = `import { runIsolated } from ${
    JSON.stringify(new URL("../../src/runtime/run_isolated.ts", import.meta.url).href)
  };
  const module = ${JSON.stringify(moduleOf("let n = 0; export default () => n++;"))};
  console.log(await runIsolated(module, 1), await runIsolated(module, 1));`;
  const started = performance.now();
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-check", `--allow-run=${Deno.execPath()}`],
      `data:application/javascript,${encodeURIComponent(source)}`,
    ],
    cwd: new URL("../..", import.meta.url),
    stdin: "null",
    stderr: "inherit",
  }).output();
  assert(success);
  assertEquals(new TextDecoder().decode(stdout), "0 1\n");
  assertLess(performance.now() - started, 8000);
});

Deno.test("closeIsolated() ends what runIsolated() keeps warm", async () => {
  const module = moduleOf("let n = 0; export default () => n++;");
  assertEquals([await runIsolated(module, 1), await runIsolated(module, 1)], [0, 1]);
  await closeIsolated();
  assertEquals(await runIsolated(module, 1), 0);
  await closeIsolated();
});

Deno.test("a process whose parent was killed ends itself, though its work goes on in a loop", async () => {
  const job =
    "export default (n) => { setTimeout(() => { while (n > 0); }, 50); return Deno.pid; }";
  const source = `import { IsolatePool } from ${
    JSON.stringify(new URL("../../src/runtime/isolate_pool.ts", import.meta.url).href)
  };
  const pool = new IsolatePool(${JSON.stringify(moduleOf(job))});
  console.log(await pool.run(1));
  await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const parent = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-check", `--allow-run=${Deno.execPath()}`],
      `data:application/javascript,${encodeURIComponent(source)}`,
    ],
    cwd: new URL("../..", import.meta.url),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = parent.stdout.getReader();
  const { value } = await reader.read();
  const pid = new TextDecoder().decode(value).trim();
  parent.kill("SIGKILL");
  await parent.status;
  await reader.cancel();
  const isThere = async () => {
    const { success } = await new Deno.Command("sh", {
      args: ["-c", `kill -0 "$1" 2>/dev/null`, "sh", pid],
    }).output();
    return success;
  };
  const deadline = Date.now() + 10_000;
  while (await isThere() && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(await isThere(), false);
});
