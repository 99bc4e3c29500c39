import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createHash } from "node:crypto";
import { toFileUrl } from "@std/path/to-file-url";
import { SecurityError } from "../../../src/errors.ts";
import { openIndex } from "../../../src/supply_chain/advisories/_index.ts";
import {
  defaultDbPath,
  fetchDatabase,
  type FetchDatabaseOptions,
} from "../../../src/supply_chain/advisories/fetch_db.ts";
import { makeZip } from "./make_zip.ts";

const NOW = new Date("2026-03-04T05:06:07Z");

function archiveOf(id: string, padding = 200_000): Uint8Array<ArrayBuffer> {
  const record = {
    id,
    affected: [{ package: { ecosystem: "npm", name: "a" }, versions: ["1.0.0"] }],
  };
  // Stored and not deflated, so that there is something to cut in the middle.
  const filler = crypto.getRandomValues(new Uint8Array(Math.min(padding, 65_536)));
  return makeZip([
    { name: "filler.txt", content: filler, method: 0 },
    { name: `${id}.json`, content: JSON.stringify(record) },
  ]);
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("base64");

/** An answer written byte by byte: a real server would not lie about its length. */
interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  /** Resolves when the rest may be sent; until then half of the body is. */
  readonly hold?: Promise<void>;
}

/** Serves one answer per connection, and tells what was asked for. */
async function serving(
  answer: (headers: Headers, count: number) => Answer,
  use: (url: string, requests: Headers[]) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: Headers[] = [];
  const open: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) open.push(respond(connection));
  })();
  async function respond(connection: Deno.TcpConn): Promise<void> {
    try {
      let text = "";
      const buffer = new Uint8Array(4096);
      while (!text.includes("\r\n\r\n")) {
        const read = await connection.read(buffer);
        if (read === null) return;
        text += new TextDecoder().decode(buffer.subarray(0, read));
      }
      const lines = text.split("\r\n").slice(1).filter((line) => line.includes(": "));
      const headers = new Headers(lines.map((line) => line.split(": ", 2) as [string, string]));
      requests.push(headers);
      const { status = 200, headers: extra = {}, body = new Uint8Array(), hold } = answer(
        headers,
        requests.length,
      );
      const all = { "content-length": String(body.length), connection: "close", ...extra };
      const head = `HTTP/1.1 ${status} X\r\n` +
        Object.entries(all).filter(([, value]) => value !== "").map(([name, value]) =>
          `${name}: ${value}\r\n`
        ).join("") + "\r\n";
      await send(connection, new TextEncoder().encode(head));
      const half = hold ? body.length >> 1 : body.length;
      await send(connection, body.subarray(0, half));
      await hold;
      await send(connection, body.subarray(half));
    } catch {
      // The client has gone: what most of these tests are about.
    } finally {
      connection.close();
    }
  }
  try {
    await use(`http://127.0.0.1:${listener.addr.port}/all.zip`, requests);
  } finally {
    listener.close();
    await accepting;
    await Promise.all(open);
  }
}

async function send(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

/** A server that knows ranges; the first `cuts` answers break off in the middle. */
function ranged(body: Uint8Array, cuts: number, etag = '"v1"', more: Record<string, string> = {}) {
  return (headers: Headers, count: number): Answer => {
    const range = /^bytes=(\d+)-$/.exec(headers.get("range") ?? "");
    const from = range && headers.get("if-range") === etag ? Number(range[1]) : 0;
    const whole = body.length - from;
    return {
      status: from > 0 ? 206 : 200,
      headers: {
        etag,
        "content-length": String(whole),
        ...(from > 0 && { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` }),
        ...more,
      },
      body: count <= cuts ? body.subarray(from, from + (whole >> 1)) : body.subarray(from),
    };
  };
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(`${folder}/db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function fetching(folder: string, url: string, more: Partial<FetchDatabaseOptions> = {}) {
  return fetchDatabase({
    folder,
    urls: [url],
    now: NOW,
    sleep: () => Promise.resolve(),
    random: () => 0,
    ...more,
  });
}

async function idsOf(folder: string): Promise<string[]> {
  const found = await (await openIndex(folder)).lookup([{
    ecosystem: "npm",
    name: "a",
    version: "1.0.0",
  }]);
  return (found.get("npm:a") ?? []).map(({ id }) => id);
}

function filesOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name.replace(/[0-9a-f]{16}/, "HASH"))
    .sort();
}

const STORED = ["bartizan-database.json", "lock", "records-HASH.bin"];

Deno.test("fetchDatabase() downloads, checks, indexes and tells how far it is", async () => {
  const body = archiveOf("A-1");
  const hash = `crc32c=${crc32c(body)},md5=${md5(body)}`;
  await inFolder((folder) =>
    serving(ranged(body, 0, '"v1"', { "x-goog-hash": hash }), async (url, requests) => {
      const progress: number[] = [];
      const source = await fetching(folder, url, {
        onProgress: ({ received, total }) => {
          assertEquals(total, body.length);
          progress.push(received);
        },
      });
      assertEquals(await idsOf(folder), ["A-1"]);
      assertEquals(source.fetched, NOW.toISOString());
      assertEquals(progress.at(-1), body.length);
      assertEquals(filesOf(folder), STORED);
      assertEquals(requests[0]!.get("accept-encoding"), "identity");
    })
  );
});

Deno.test("fetchDatabase() goes on where the connection was lost", async () => {
  const body = archiveOf("A-1");
  await inFolder((folder) =>
    serving(ranged(body, 3), async (url, requests) => {
      await fetching(folder, url);
      assertEquals(await idsOf(folder), ["A-1"]);
      assertEquals(requests.length, 4);
      const from = requests.map((headers) => Number(/\d+/.exec(headers.get("range") ?? "0")![0]));
      assertEquals(from, [...from].sort((a, b) => a - b));
      assertEquals(from[1], body.length >> 1);
    })
  );
});

Deno.test("fetchDatabase() goes on where an earlier run has stopped", async () => {
  const body = archiveOf("A-1");
  await inFolder(async (folder) => {
    await serving(
      () => ({
        headers: { etag: '"v1"', "content-length": String(body.length) },
        body: body.subarray(0, 30_000),
      }),
      async (url) => {
        await assertRejects(
          () => fetching(folder, url, { attempts: 1 }),
          SecurityError,
          "connection was lost",
        );
      },
    );
    assert(filesOf(folder).includes("download-0.zip"));
    // The same address: another one would be another file.
    const state = JSON.parse(await Deno.readTextFile(`${folder}/download-0.zip.json`));
    await serving(ranged(body, 0), async (url, requests) => {
      await Deno.writeTextFile(`${folder}/download-0.zip.json`, JSON.stringify({ ...state, url }));
      await fetching(folder, url);
      assertEquals(requests[0]!.get("if-range"), '"v1"');
      assert(Number(/\d+/.exec(requests[0]!.get("range")!)![0]) > 0);
      assertEquals(await idsOf(folder), ["A-1"]);
      assertEquals(filesOf(folder), STORED);
    });
  });
});

Deno.test("fetchDatabase() begins anew when the file has changed in between", async () => {
  const [old, young] = [archiveOf("A-1"), archiveOf("B-1")];
  await inFolder((folder) =>
    serving(
      (headers, count) =>
        count === 1 ? ranged(old, 1, '"v1"')(headers, 1) : ranged(young, 0, '"v2"')(headers, count),
      async (url, requests) => {
        await fetching(folder, url);
        assertEquals(await idsOf(folder), ["B-1"]);
        assertEquals(requests[1]!.get("if-range"), '"v1"');
      },
    )
  );
});

Deno.test("fetchDatabase() does not glue parts of different files together", async () => {
  const [old, young] = [archiveOf("A-1"), archiveOf("B-1")];
  // The second answer is a part of another version, sent all the same.
  const wrong: ((from: number) => Record<string, string>)[] = [
    (from) => ({
      etag: '"v2"',
      "content-range": `bytes ${from}-${young.length - 1}/${young.length}`,
    }),
    () => ({ etag: '"v1"', "content-range": `bytes 5-${young.length - 1}/${young.length}` }),
    (from) => ({
      etag: '"v1"',
      "content-range": `bytes ${from}-${young.length}/${young.length + 1}`,
    }),
    () => ({ etag: '"v1"' }),
  ];
  for (const headersOf of wrong) {
    await inFolder((folder) =>
      serving((headers, count) => {
        if (count === 1) return ranged(old, 1)(headers, 1);
        if (count > 2) return ranged(young, 0, '"v2"')(headers, count);
        const from = Number(/\d+/.exec(headers.get("range")!)![0]);
        return { status: 206, headers: headersOf(from), body: young.subarray(from) };
      }, async (url, requests) => {
        await fetching(folder, url);
        assertEquals(await idsOf(folder), ["B-1"]);
        assertEquals([requests.length, requests[2]!.get("range")], [3, null]);
      })
    );
  }
});

Deno.test("fetchDatabase() begins anew after 416", async () => {
  const body = archiveOf("A-1");
  await inFolder((folder) =>
    serving(
      (headers, count) => count === 2 ? { status: 416 } : ranged(body, 1)(headers, count),
      async (url) => {
        await fetching(folder, url);
        assertEquals(await idsOf(folder), ["A-1"]);
      },
    )
  );
});

Deno.test("fetchDatabase() keeps the old database when the new one is not right", async () => {
  const good = archiveOf("A-1");
  const start = new DataView(good.buffer).getUint32(good.length - 22 + 16, true);
  const flipped = (at: number) => good.map((byte, index) => index === at ? byte ^ 0xff : byte);
  const json = { headers: {}, body: new TextEncoder().encode('{"id":"B-1"}') };
  const table: readonly [
    string,
    (headers: Headers, count: number) => Answer,
    Partial<FetchDatabaseOptions>?,
  ][] = [
    [
      "connection was lost",
      () => ({ headers: { "content-length": String(good.length + 500) }, body: good }),
    ],
    ["hash", ranged(good, 0, '"v1"', { "x-goog-hash": `md5=${md5(flipped(0))}` })],
    ["hash", ranged(good, 0, '"v1"', { "x-goog-hash": "crc32c=AAAAAA==" })],
    ["archive", () => json],
    // Sent without a length and cut off: only the archive itself shows it.
    ["archive", () => ({ headers: { "content-length": "" }, body: good.subarray(0, 40_000) })],
    ["directory", () => ({ body: flipped(start) })],
    ["damaged", () => ({ body: flipped(start - 5) })],
    ["no advisory", () => ({ body: makeZip([{ name: "x.txt", content: "x" }]) })],
    ["404", () => ({ status: 404 })],
    ["larger than 1000 bytes", ranged(good, 0), { maxBytes: 1000 }],
    ["larger than 1000 bytes", () => ({ headers: { "content-length": "" }, body: good }), {
      maxBytes: 1000,
    }],
    ["larger than 10 bytes", ranged(good, 0), { limits: { maxFileBytes: 10 } }],
    ["503", () => ({ status: 503 })],
  ];
  await inFolder(async (folder) => {
    await serving(ranged(good, 0), async (url) => void await fetching(folder, url));
    for (const [message, answer, more] of table) {
      await serving(answer, async (url) => {
        const error = await assertRejects(
          () => fetching(folder, url, more),
          SecurityError,
          undefined,
          message,
        );
        assertStringIncludes((error as SecurityError).message, message);
        assertFalse((error as SecurityError).message.includes(folder));
      });
      assertEquals(await idsOf(folder), ["A-1"], message);
      // Nothing that is wrong is kept to go on with.
      const left = filesOf(folder).filter((name) => !STORED.includes(name));
      if (message !== "connection was lost") assertEquals(left, [], message);
    }
    await serving(ranged(archiveOf("B-1"), 0), async (url) => void await fetching(folder, url));
    assertEquals(await idsOf(folder), ["B-1"]);
    assertEquals(filesOf(folder), STORED);
  });
});

Deno.test("fetchDatabase() joins several archives", async () => {
  await inFolder((folder) =>
    serving(
      ranged(archiveOf("A-1"), 0),
      (one) =>
        serving(ranged(archiveOf("B-1"), 0), async (two) => {
          await fetching(folder, one, { urls: [one, two] });
          assertEquals(await idsOf(folder), ["A-1", "B-1"]);
        }),
    )
  );
});

Deno.test("fetchDatabase() gives up on a server that stops sending", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const body = archiveOf("A-1");
  await inFolder((folder) =>
    serving(() => ({ body, hold: promise }), async (url) => {
      try {
        await assertRejects(
          () => fetching(folder, url, { timeoutMs: 50, attempts: 1 }),
          SecurityError,
          "stopped sending",
        );
      } finally {
        resolve();
      }
    })
  );
});

Deno.test("fetchDatabase() stops when it is told to, and one writer runs at a time", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const body = archiveOf("A-1");
  const controller = new AbortController();
  await inFolder((folder) =>
    serving(() => ({ headers: { etag: '"v1"' }, body, hold: promise }), async (url) => {
      const { promise: started, resolve: start } = Promise.withResolvers<void>();
      const first = fetching(folder, url, { signal: controller.signal, onProgress: () => start() });
      try {
        await started;
        await assertRejects(() => fetching(folder, url), SecurityError, "another process");
        controller.abort(new RangeError("enough"));
        await assertRejects(() => first, RangeError, "enough");
      } finally {
        resolve();
      }
      await assertRejects(() => openIndex(folder), SecurityError);
    })
  );
});

Deno.test("fetchDatabase() killed in the middle leaves the old database, and the next run goes on", async () => {
  const [old, young] = [archiveOf("A-1"), archiveOf("B-1")];
  const { promise, resolve } = Promise.withResolvers<void>();
  await inFolder(async (folder) => {
    await serving(ranged(old, 0), async (url) => void await fetching(folder, url));
    await serving((headers, count) => {
      const answer = ranged(young, 0)(headers, count);
      return count === 1 ? { ...answer, hold: promise } : answer;
    }, async (url, requests) => {
      const module = new URL("../../../src/supply_chain/advisories/fetch_db.ts", import.meta.url);
      const code = `import { fetchDatabase } from ${JSON.stringify(module.href)};
        await fetchDatabase({ folder: ${JSON.stringify(folder)}, urls: [${JSON.stringify(url)}],
          onProgress: () => console.log("progress") });`;
      const script = `${folder}/../script.ts`;
      await Deno.writeTextFile(script, code);
      const child = new Deno.Command("deno", {
        args: [
          "run",
          "--no-check",
          "--allow-read",
          "--allow-write",
          "--allow-env",
          "--allow-net=127.0.0.1",
          "--config",
          "deno.json",
          script,
        ],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      assertStringIncludes(new TextDecoder().decode(value), "progress");
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      resolve();
      assertEquals(await idsOf(folder), ["A-1"]);
      await fetching(folder, url);
      assertEquals(requests[1]!.get("if-range"), '"v1"');
      assertEquals(await idsOf(folder), ["B-1"]);
      assertEquals(filesOf(folder), STORED);
    });
  });
});

Deno.test("fetchDatabase() takes no plain http from another machine", async () => {
  await inFolder(async (folder) => {
    for (
      const url of [
        "http://db.example/all.zip",
        "FILE:///etc/passwd",
        "ftp://db.example/x",
        "nonsense",
      ]
    ) {
      await assertRejects(() => fetching(folder, url), SecurityError, "https:");
    }
    const response = Object.defineProperty(new Response("x"), "url", {
      value: "http://db.example/all.zip",
    });
    const fetch = () => Promise.resolve(response);
    await assertRejects(
      () => fetching(folder, "https://db.example/all.zip", { fetch }),
      SecurityError,
      "https:",
    );
  });
});

Deno.test("defaultDbPath() follows the conventions of each system", () => {
  const path = (os: typeof Deno.build.os, env: Record<string, string>) =>
    defaultDbPath((name) => Object.hasOwn(env, name) ? env[name] : undefined, os);
  assertEquals(path("linux", { HOME: "/home/u" }), "/home/u/.cache/bartizan/advisories");
  assertEquals(path("linux", { HOME: "/home/u", XDG_CACHE_HOME: "/c/" }), "/c/bartizan/advisories");
  // The XDG specification has relative paths ignored.
  assertEquals(
    path("linux", { HOME: "/home/u", XDG_CACHE_HOME: "c" }),
    "/home/u/.cache/bartizan/advisories",
  );
  assertEquals(path("darwin", { HOME: "/Users/u" }), "/Users/u/Library/Caches/bartizan/advisories");
  assertEquals(
    path("windows", { LOCALAPPDATA: "C:\\Users\\u\\L" }),
    "C:\\Users\\u\\L/bartizan/advisories",
  );
  assertEquals(path("linux", {}), undefined);
  assertEquals(path("windows", { HOME: "/home/u" }), undefined);
});

/** CRC-32C bit by bit, so that it shares nothing with the table of the code. */
function crc32c(bytes: Uint8Array): string {
  let state = 0xffffffff;
  for (const byte of bytes) {
    state ^= byte;
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0x82f63b78 : state >>> 1;
  }
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, ~state >>> 0);
  return out.toBase64();
}

Deno.test("the CRC-32C of this test is that of the specification", () => {
  // RFC 3720, appendix B.4: 32 bytes of zeros.
  assertEquals(crc32c(new Uint8Array(32)), new Uint8Array([0x8a, 0x91, 0x36, 0xaa]).toBase64());
});

Deno.test("fetchDatabase() reads an archive that was brought to the machine, and leaves it there", async () => {
  await inFolder(async (folder) => {
    const archive = `${folder}/../brought.zip`;
    await Deno.writeFile(archive, archiveOf("A-1"));
    const url = toFileUrl(await Deno.realPath(archive)).href;
    const source = await fetchDatabase({ folder, urls: [url], now: NOW });
    assertStringIncludes(source.description, "1 advisor");
    assertEquals((await Deno.stat(archive)).isFile, true);
    await Deno.writeTextFile(archive, "no archive");
    await assertRejects(() => fetchDatabase({ folder, urls: [url], now: NOW }), SecurityError);
    assertEquals((await Deno.stat(archive)).isFile, true);
    // What was stored before is still there.
    await openIndex(folder);
  });
});

Deno.test("fetchDatabase() quotes nothing of a file that is no archive", async () => {
  await inFolder(async (folder) => {
    const secret = `${folder}/../secret`;
    await Deno.writeTextFile(secret, "hunter2");
    const url = toFileUrl(await Deno.realPath(secret)).href;
    const { message } = await assertRejects(
      () => fetchDatabase({ folder, urls: [url], now: NOW }),
      SecurityError,
    );
    assertFalse(message.includes("hunter2"));
  });
});
