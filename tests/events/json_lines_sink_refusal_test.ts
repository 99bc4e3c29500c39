import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { FileHandler } from "@std/log";
import { SecurityError } from "../../src/errors.ts";
import { systemFileOps } from "../../src/events/_log_file_ops.ts";
import { makeFileSink } from "../../src/events/_file_sink.ts";
import { jsonLinesSink } from "../../src/events/json_lines_sink.ts";
import { event, recordsOf, withFolder } from "./_sink_events.ts";

function codeOf(open: () => unknown): string {
  const error = assertThrows(open);
  assertInstanceOf(error, SecurityError);
  return error.code;
}

function fifo(path: string): void {
  const { success } = new Deno.Command("mkfifo", { args: [path] }).outputSync();
  assertEquals(success, true);
}

interface Refusal {
  readonly name: string;
  readonly prepare: (folder: string, path: string) => void;
}

const REFUSALS: readonly Refusal[] = [
  {
    name: "a symlink to a file",
    prepare: (folder, path) => {
      Deno.writeTextFileSync(`${folder}/victim`, "precious\n", { mode: 0o600 });
      Deno.symlinkSync(`${folder}/victim`, path);
    },
  },
  {
    name: "a symlink to nothing",
    prepare: (folder, path) => Deno.symlinkSync(`${folder}/victim`, path),
  },
  { name: "a directory", prepare: (_, path) => Deno.mkdirSync(path) },
  { name: "a FIFO", prepare: (_, path) => fifo(path) },
  {
    name: "a device",
    prepare: (_, path) => Deno.symlinkSync("/dev/null", path),
  },
  {
    name: "a file with a second name",
    prepare: (folder, path) => {
      Deno.writeTextFileSync(`${folder}/victim`, "precious\n", { mode: 0o600 });
      Deno.linkSync(`${folder}/victim`, path);
    },
  },
  {
    name: "a file that the group may write",
    prepare: (_, path) => {
      Deno.writeTextFileSync(path, "");
      Deno.chmodSync(path, 0o620);
    },
  },
  {
    name: "a file that everybody may write",
    prepare: (_, path) => {
      Deno.writeTextFileSync(path, "");
      Deno.chmodSync(path, 0o602);
    },
  },
  { name: "a folder that the group may write", prepare: (folder) => Deno.chmodSync(folder, 0o770) },
  { name: "a folder that everybody may write", prepare: (folder) => Deno.chmodSync(folder, 0o707) },
  {
    name: "a lock that is a symlink",
    prepare: (folder, path) => Deno.symlinkSync(`${folder}/victim`, `${path}.lock`),
  },
  { name: "a lock that is a FIFO", prepare: (_, path) => fifo(`${path}.lock`) },
];

if (Deno.build.os !== "windows") {
  for (const { name, prepare } of REFUSALS) {
    Deno.test(`jsonLinesSink() throws audit-log-refused when there is ${name}`, () =>
      withFolder((folder) => {
        const path = `${folder}/audit.jsonl`;
        prepare(folder, path);
        assertEquals(codeOf(() => jsonLinesSink({ path })), "audit-log-refused");
        const victim = `${folder}/victim`;
        const status = systemFileOps().statusOf(victim);
        if (status !== undefined) assertEquals(Deno.readTextFileSync(victim), "precious\n");
      }));
  }

  Deno.test("FileHandler of @std/log empties the victim of a symlink", () =>
    withFolder((folder) => {
      Deno.writeTextFileSync(`${folder}/victim`, "precious\n");
      Deno.symlinkSync(`${folder}/victim`, `${folder}/audit.jsonl`);
      const handler = new FileHandler("INFO", { filename: `${folder}/audit.jsonl`, mode: "w" });
      handler.setup();
      handler.destroy();
      assertEquals(Deno.readTextFileSync(`${folder}/victim`), "");
    }));

  Deno.test("jsonLinesSink() throws audit-log-refused when the file is somebody else's", () =>
    withFolder((folder) => {
      const path = `${folder}/audit.jsonl`;
      Deno.writeTextFileSync(path, "", { mode: 0o600 });
      const ops = systemFileOps();
      const { ino } = ops.statusOf(path)!;
      // Whoever is not root cannot give a file away, so the answer of the system is changed instead.
      const other = {
        ...ops,
        status(descriptor: number) {
          const status = ops.status(descriptor);
          return status.ino === ino ? { ...status, uid: status.uid + 1 } : status;
        },
      };
      assertEquals(codeOf(() => makeFileSink({ path }, other)), "audit-log-refused");
      assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), [
        "audit.jsonl",
        "audit.jsonl.lock",
      ]);
    }));

  Deno.test("jsonLinesSink() refuses a link that takes the place of the file while it is opened", () =>
    withFolder((folder) => {
      const path = `${folder}/audit.jsonl`;
      const victim = `${folder}/victim`;
      Deno.writeTextFileSync(victim, "precious\n", { mode: 0o600 });
      Deno.writeTextFileSync(path, "", { mode: 0o600 });
      const ops = systemFileOps();
      const racing = {
        ...ops,
        // Opens as Deno does where its permissions are limited to folders: it resolves links itself.
        open(name: string, purpose: "create" | "append" | "read") {
          if (purpose !== "append") return ops.open(name, purpose);
          Deno.removeSync(path);
          Deno.symlinkSync(victim, path);
          return ops.open(victim, purpose);
        },
      };
      assertEquals(codeOf(() => makeFileSink({ path }, racing)), "audit-log-refused");
      assertEquals(Deno.readTextFileSync(victim), "precious\n");
    }));

  Deno.test("node:fs follows a link despite O_NOFOLLOW when permissions are limited to a folder", () =>
    withFolder((folder) => {
      Deno.writeTextFileSync(`${folder}/victim`, "");
      Deno.symlinkSync(`${folder}/victim`, `${folder}/link`);
      const code = `import fs from "node:fs";
        const { O_WRONLY, O_NOFOLLOW } = fs.constants;
        fs.writeSync(fs.openSync(Deno.args[0], O_WRONLY | O_NOFOLLOW), "bad");`;
      Deno.writeTextFileSync(`${folder}/open.ts`, code);
      const allowed = [`--allow-read=${folder}`, `--allow-write=${folder}`];
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "--no-prompt", "--no-check", "--no-config", ...allowed].concat([
          `${folder}/open.ts`,
          `${folder}/link`,
        ]),
      }).outputSync();
      assertEquals(Deno.readTextFileSync(`${folder}/victim`), "bad");
    }));

  Deno.test("jsonLinesSink() makes a file that only its owner can read", () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      await jsonLinesSink({ path }).close();
      assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
      assertEquals(Deno.statSync(`${path}.lock`).mode! & 0o777, 0o600);
    }));

  Deno.test("jsonLinesSink() takes away the rights to read that others have", () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      Deno.writeTextFileSync(path, "");
      Deno.chmodSync(path, 0o644);
      await using sink = jsonLinesSink({ path });
      await sink.write(event());
      assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
      assertEquals(recordsOf(path).length, 2);
    }));
}

Deno.test("jsonLinesSink() opens what somebody else makes in the same moment", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const ops = systemFileOps();
    const missing = new Set([path, `${path}.lock`]);
    for (const name of missing) Deno.writeTextFileSync(name, "", { mode: 0o600 });
    const late = {
      ...ops,
      statusOf: (name: string) => missing.delete(name) ? undefined : ops.statusOf(name),
    };
    const sink = makeFileSink({ path }, late);
    assertEquals(missing.size, 0);
    assertEquals(sink.stats().path, path);
    await sink.close();
  }));

Deno.test("jsonLinesSink() throws audit-unavailable when the folder is missing or cannot be used", () =>
  withFolder((folder) => {
    const path = `${folder}/audit.jsonl`;
    assertEquals(
      codeOf(() => jsonLinesSink({ path: `${folder}/none/audit.jsonl` })),
      "audit-log-refused",
    );
    const ops = systemFileOps();
    const denied = {
      ...ops,
      open(): number {
        throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
      },
    };
    const error = assertThrows(() => makeFileSink({ path }, denied));
    assertInstanceOf(error, SecurityError);
    assertEquals(error.code, "audit-unavailable");
    assertStringIncludes((error.cause as Error).message, "EACCES");
    // The lock was given back.
    const sink = jsonLinesSink({ path });
    assertEquals(sink.stats().path, path);
    return sink.close();
  }));

Deno.test("jsonLinesSink() keeps paths out of what a client may see", () =>
  withFolder((folder) => {
    const path = `${folder}/audit.jsonl`;
    Deno.mkdirSync(path);
    const error = assertThrows(() => jsonLinesSink({ path }));
    assertInstanceOf(error, SecurityError);
    assertEquals(error.message.includes(folder), false);
    assertEquals(JSON.stringify(error.details), "{}");
  }));
