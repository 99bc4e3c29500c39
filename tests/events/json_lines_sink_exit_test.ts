import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { fromFileUrl } from "@std/path/from-file-url";
import { EVENTS, FILL } from "./_sink_child.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
import { followChain, linesOf, recordsOf, withFolder } from "./_sink_events.ts";

const script = fromFileUrl(new URL("./_sink_child.ts", import.meta.url));

/** A program that has no more permissions than the log needs. */
function program(folder: string, how: string, durability: string, file = "audit.jsonl") {
  const allowed = [`--allow-read=${folder}`, `--allow-write=${folder}`];
  return [
    "run",
    "-q",
    "--no-prompt",
    "--no-check",
    ...allowed,
    script,
    how,
    `${folder}/${file}`,
    durability,
  ];
}

function start(args: string[], command = Deno.execPath()): Deno.ChildProcess {
  return new Deno.Command(command, { args, stdin: "null", stdout: "piped", stderr: "null" })
    .spawn();
}

/** Reads what a program says until it has said enough. */
async function hear(
  reader: ReadableStreamDefaultReader<string>,
  isEnough: (text: string) => boolean,
): Promise<string> {
  let text = "";
  while (!isEnough(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  return text;
}

/** Runs a program to its end; tells its status and what it has said. */
async function endOf(
  child: Deno.ChildProcess,
  signal?: Deno.Signal,
): Promise<{ code: number; said: string }> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = await hear(reader, (text) => signal !== undefined && text.includes("written"));
  if (signal !== undefined) child.kill(signal);
  said += await hear(reader, () => false);
  const { code } = await child.status;
  return { code, said };
}

interface End {
  readonly how: string;
  readonly code: number;
  readonly signal?: Deno.Signal;
}

const ENDS: readonly End[] = [
  { how: "end", code: 0 },
  { how: "exit", code: 3 },
  { how: "throw", code: 1 },
  { how: "reject", code: 1 },
  { how: "sigterm", code: 143, signal: "SIGTERM" },
  { how: "sigint", code: 130, signal: "SIGINT" },
];

for (const { how, code, signal } of ENDS) {
  for (const durability of ["buffered", "write", "fsync"]) {
    Deno.test(`jsonLinesSink() has all ${durability} records when the program ends by ${how}`, () =>
      withFolder(async (folder) => {
        const ended = await endOf(start(program(folder, how, durability)), signal);
        assertEquals(ended.code, code);
        const ids = followChain([`${folder}/audit.jsonl`]).slice(1).map(({ id }) => id);
        assertEquals(ids, Array.from({ length: EVENTS }, (_, at) => `e-${at + 1}`));
      }));
  }
}

for (const durability of ["buffered", "write", "fsync"]) {
  const own = ({ id }: { readonly id: string }) => !id.startsWith("e-");
  const idsIn = (folder: string) => followChain([`${folder}/audit.jsonl`]).slice(1).filter(own);

  for (const [how, code] of [["unload", 0], ["throw-late", 1]] as const) {
    Deno.test(`jsonLinesSink() has a ${durability} record that a later listener makes when the program ends by ${how}`, () =>
      withFolder(async (folder) => {
        assertEquals((await endOf(start(program(folder, how, durability)))).code, code);
        assertEquals(idsIn(folder).map(({ id }) => id), ["late"]);
      }));
  }

  Deno.test(`jsonLinesSink() leaves the end on SIGTERM to a program that listens, under ${durability}`, () =>
    withFolder(async (folder) => {
      const { code, said } = await endOf(start(program(folder, "drain", durability)), "SIGTERM");
      assertEquals(code, 0);
      // Once from outside, and once more from the sink, which does not know that somebody listens.
      assertEquals(said.split("\n").filter((line) => line === "heard").length, 2);
      assertEquals(idsIn(folder).map(({ id }) => id), ["drained"]);
    }));
}

Deno.test("jsonLinesSink() sends SIGTERM again once when there are two sinks", () =>
  withFolder(async (folder) => {
    const { code, said } = await endOf(start(program(folder, "drain-two", "write")), "SIGTERM");
    assertEquals(code, 0);
    assertEquals(said.split("\n").filter((line) => line === "heard").length, 2);
  }));

for (const { how, signal } of ENDS.filter(({ how }) => !["end", "exit"].includes(how))) {
  Deno.test(`FileHandler of @std/log has lost its records when the program ends by ${how}`, () =>
    withFolder(async (folder) => {
      await endOf(start(program(folder, how, "std/log")), signal);
      assertEquals(linesOf(`${folder}/audit.jsonl`), []);
    }));
}

for (const durability of ["write", "fsync"]) {
  Deno.test(`jsonLinesSink() has all that was awaited under ${durability} when the program is killed`, () =>
    withFolder(async (folder) => {
      await endOf(start(program(folder, "kill", durability)), "SIGKILL");
      assertEquals(followChain([`${folder}/audit.jsonl`]).length, 1 + EVENTS);
    }));
}

Deno.test("FileHandler of @std/log has lost its records when the program is killed", () =>
  withFolder(async (folder) => {
    await endOf(start(program(folder, "kill", "std/log")), "SIGKILL");
    assertEquals(linesOf(`${folder}/audit.jsonl`), []);
  }));

Deno.test("jsonLinesSink() loses nothing that was acknowledged when it is killed 200 times", async () => {
  /** Kills programs that write one log, one after the other; the same times on every run of the tests. */
  async function killing(times: number, seed: number): Promise<void> {
    await withFolder(async (folder) => {
      const acknowledged = new Set<string>();
      for (let time = 0; time < times; time++) {
        const child = start(program(folder, "write-on", "fsync"));
        const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
        const enough = 1 + seed % 1_500;
        let said = await hear(reader, ({ length }) => length >= enough);
        child.kill("SIGKILL");
        said += await hear(reader, () => false);
        await child.status;
        for (const id of said.split("\n").slice(0, -1)) acknowledged.add(id);
      }
      // The lock of the last one is free: one more goes on.
      assertEquals((await endOf(start(program(folder, "end", "fsync")))).code, 0);
      const records = followChain([`${folder}/audit.jsonl`]);
      const written = new Set(records.map(({ id }) => id));
      for (const id of acknowledged) assert(written.has(id), `${id} is lost`);
      assertGreater(acknowledged.size, times);
      assertEquals(records.filter(({ kind }) => kind === "audit.start").length, times + 1);
      assertEquals(Array.from(Deno.readDirSync(folder)).length, 2);
      const report = await verifyAuditLog([`${folder}/audit.jsonl`]);
      assertEquals(report.failure, undefined);
      assertEquals(report.records, records.length);
    });
  }
  await Promise.all([killing(67, 1), killing(67, 2), killing(66, 3)]);
});

Deno.test("jsonLinesSink() keeps two processes apart when they share a path", () =>
  withFolder(async (folder) => {
    const children = [1, 2].map(() => start(program(folder, "write-on", "write")));
    for (const child of children) {
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      await hear(reader, ({ length }) => length > 40_000);
      child.kill("SIGKILL");
      await hear(reader, () => false);
      await child.status;
    }
    const logs = Array.from(Deno.readDirSync(folder), ({ name }) => name)
      .filter((name) => name.endsWith(".jsonl"));
    assertEquals(logs.length, 2);
    for (const name of logs) {
      // What a kill has left of the last line.
      const path = `${folder}/${name}`;
      const text = Deno.readTextFileSync(path);
      Deno.writeTextFileSync(path, text.slice(0, text.lastIndexOf("\n") + 1));
      const records = followChain([path]);
      assertGreater(records.length, 100);
      assertEquals(new Set(records.map(({ writer }) => writer)).size, 1);
    }
  }));

if (Deno.build.os !== "windows") {
  Deno.test("jsonLinesSink() tells what is missing when the file system took no more", () =>
    withFolder(async (folder) => {
      // 20 blocks of 512 bytes; without the trap the system ends the program.
      const child = start([
        "-c",
        'trap "" XFSZ; ulimit -f 20; exec "$0" "$@"',
        Deno.execPath(),
        ...program(folder, "fill-up", "write"),
      ], "sh");
      const { said } = await endOf(child);
      const full = `${folder}/audit.jsonl.full`;
      assertLessOrEqual(Deno.statSync(full).size, 10_240);
      const records = followChain([full, `${folder}/audit.jsonl`]);
      const report = await verifyAuditLog([full, `${folder}/audit.jsonl`]);
      assertEquals(report.failure, undefined);
      const written = new Set(records.map(({ id }) => id));
      const acknowledged = said.split("\n").filter((line) => line.startsWith("fill-"));
      for (const id of acknowledged) assert(written.has(id), `${id} is lost`);
      const lost = FILL - acknowledged.length;
      assertGreater(lost, 50);
      assertEquals(said.split("\n").at(-2), `lost ${lost}`);
      const gaps = recordsOf(`${folder}/audit.jsonl`).filter(({ kind }) => kind === "audit.gap");
      const counts = gaps.map(({ details }) => [details.cause, details.count]);
      assertEquals(new Map(counts as [string, number][]).get("write-failed"), lost);
    }));
}
