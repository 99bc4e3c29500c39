import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { FileHandler } from "@std/log";
import { SecurityError } from "../../src/errors.ts";
import { fromFileUrl } from "@std/path/from-file-url";
import { epochKeyFile, generateEpochKey } from "../../src/events/epoch_keys.ts";
import {
  type LogFileOps,
  type ObjectStatus,
  systemFileOps,
} from "../../src/events/_log_file_ops.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
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

/** Whoever is not root cannot give things away, so the answers of the system are changed instead. */
function owned(path: string, uid: number): LogFileOps {
  const ops = systemFileOps();
  const { ino } = ops.statusBehind(path)!;
  const changed = <T extends ObjectStatus | undefined>(status: T): T =>
    status?.ino === ino ? { ...status, uid } : status;
  return {
    ...ops,
    status: (descriptor) => changed(ops.status(descriptor)),
    statusOf: (name) => changed(ops.statusOf(name)),
    statusBehind: (name) => changed(ops.statusBehind(name)),
    foldersAbove: (name) => ops.foldersAbove(name).map(changed),
  };
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
    name: "a sticky folder that everybody may write",
    prepare: (folder) => Deno.chmodSync(folder, 0o1777),
  },
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

  for (const what of ["the folder", "a folder above", "the lock"]) {
    Deno.test(`jsonLinesSink() throws audit-log-refused when ${what} is somebody else's`, () =>
      withFolder(async (root) => {
        const folder = `${root}/app/log`;
        Deno.mkdirSync(folder, { recursive: true });
        const path = `${folder}/audit.jsonl`;
        Deno.writeTextFileSync(`${path}.lock`, "", { mode: 0o600 });
        const object = { "the folder": folder, "a folder above": `${root}/app` }[what] ??
          `${path}.lock`;
        assertEquals(
          codeOf(() => makeFileSink({ path }, owned(object, 4_242_424))),
          "audit-log-refused",
        );
        assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), [
          "audit.jsonl.lock",
        ]);
        // What is root's is as good as one's own.
        await makeFileSink({ path }, owned(object, 0)).close();
      }));
  }

  for (const isLinked of [false, true]) {
    const where = isLinked ? "behind a link " : "";
    Deno.test(
      `jsonLinesSink() looks at the folders above its own ${where}`.trim(),
      () =>
        withFolder(async (root) => {
          const folder = `${root}/app/log`;
          Deno.mkdirSync(folder, { recursive: true });
          Deno.symlinkSync(folder, `${root}/link`);
          const path = `${isLinked ? `${root}/link` : folder}/audit.jsonl`;
          Deno.chmodSync(`${root}/app`, 0o777);
          assertEquals(codeOf(() => jsonLinesSink({ path })), "audit-log-refused");
          // As /tmp is, and as /var/log is on some systems.
          for (const mode of [0o1777, 0o775]) {
            Deno.chmodSync(`${root}/app`, mode);
            await jsonLinesSink({ path }).close();
          }
        }),
    );
  }

  Deno.test("jsonLinesSink() needs no more permissions for the folders above", () =>
    withFolder((folder) => {
      const file = new URL("../../src/events/json_lines_sink.ts", import.meta.url);
      Deno.writeTextFileSync(
        `${folder}/open.ts`,
        `import { jsonLinesSink } from "${file}"; await jsonLinesSink({ path: Deno.args[0] }).close();`,
      );
      const { code, stderr } = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-q",
          "--no-prompt",
          "--no-check",
          "--config",
          fromFileUrl(new URL("../../deno.json", import.meta.url)),
          `--allow-read=${folder}`,
          `--allow-write=${folder}`,
          `${folder}/open.ts`,
          `${folder}/audit.jsonl`,
        ],
      }).outputSync();
      assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
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

Deno.test("jsonLinesSink() throws audit-log-refused when a log with keys of epochs is in use", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const epochKeys = epochKeyFile(`${folder}/epoch.json`);
    const epochKey = generateEpochKey();
    await epochKeys.save({ epoch: 0, key: epochKey });
    const options = { path, chain: { epochKeys } };
    const sink = jsonLinesSink(options);
    await sink.write(event());
    await sink.flush();
    // As in a rolling restart: two writers would use up the same keys.
    const error = assertThrows(() => jsonLinesSink(options));
    assertInstanceOf(error, SecurityError);
    assertEquals(error.code, "audit-log-refused");
    assertStringIncludes(error.message, "one store per log");
    await sink.write(event());
    await sink.close();
    await jsonLinesSink(options).close();
    assertEquals((await verifyAuditLog([path], { epochKey })).failure, undefined);
  }));
