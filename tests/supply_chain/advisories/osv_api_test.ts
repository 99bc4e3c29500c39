import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SecurityError } from "../../../src/errors.ts";
import { osvApi, type OsvApiOptions } from "../../../src/supply_chain/advisories/osv_api.ts";

interface Query {
  readonly package: { readonly ecosystem: string; readonly name: string };
  readonly version: string;
  readonly page_token?: string;
}

type Handler = (request: Request, url: URL) => Response | Promise<Response>;

function recordOf(id: string, name: string): object {
  return { id, affected: [{ package: { ecosystem: "npm", name }, versions: ["1.0.0"] }] };
}

/** A service that gives the ids in `table` for each name, and every record. */
function service(table: Record<string, string[]>, seen: Query[][] = []): Handler {
  return async (request, url) => {
    if (url.pathname === "/v1/querybatch") {
      const { queries } = await request.json() as { queries: Query[] };
      seen.push(queries);
      return Response.json({
        results: queries.map(({ package: { name } }) =>
          Object.hasOwn(table, name)
            ? { vulns: table[name]!.map((id) => ({ id, modified: "x" })) }
            : {}
        ),
      });
    }
    const id = decodeURIComponent(url.pathname.slice("/v1/vulns/".length));
    const [name] = Object.entries(table).find(([, ids]) => ids.includes(id)) ?? [];
    return name === undefined
      ? new Response("{}", { status: 404 })
      : Response.json(recordOf(id, name));
  };
}

async function against(
  handler: Handler,
  use: (options: OsvApiOptions, sleeps: number[]) => Promise<void>,
): Promise<void> {
  const sleeps: number[] = [];
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      onError: () => new Response(null, { status: 500 }),
    },
    (request) => handler(request, new URL(request.url)),
  );
  try {
    await use({
      baseUrl: `http://127.0.0.1:${server.addr.port}/`,
      random: () => 0.5,
      sleep: (milliseconds) => {
        sleeps.push(milliseconds);
        return Promise.resolve();
      },
    }, sleeps);
  } finally {
    await server.shutdown();
  }
}

function packagesOf(...names: string[]): { ecosystem: string; name: string; version: string }[] {
  return names.map((name) => ({ ecosystem: "npm", name, version: "1.0.0" }));
}

async function idsOf(
  options: OsvApiOptions,
  ...names: string[]
): Promise<Record<string, string[]>> {
  const found = await osvApi(options).lookup(packagesOf(...names));
  return Object.fromEntries([...found].map(([key, records]) => [key, records.map(({ id }) => id)]));
}

Deno.test("osvApi() looks packages up and fetches each record once", async () => {
  const seen: Query[][] = [];
  await against(service({ a: ["GHSA-1", "MAL-2"], b: ["GHSA-3"] }, seen), async (options) => {
    assertEquals(await idsOf(options, "a", "b", "c", "a"), {
      "npm:a": ["GHSA-1", "MAL-2"],
      "npm:b": ["GHSA-3"],
      "npm:c": [],
    });
    assertEquals(seen.length, 1);
    assertEquals(seen[0]!.length, 3);
    const source = osvApi(options);
    assertEquals([source.remote, source.covers("npm"), source.covers("JSR")], [true, true, false]);
    assertEquals(await source.lookup([]), new Map());
    assertEquals(seen.length, 1);
  });
});

Deno.test("osvApi() sends at most 1000 queries in a batch", async () => {
  const seen: Query[][] = [];
  await against(service({ p2400: ["GHSA-1"] }, seen), async (options) => {
    const names = Array.from({ length: 2500 }, (_, index) => `p${index}`);
    assertEquals((await idsOf(options, ...names))["npm:p2400"], ["GHSA-1"]);
    assertEquals(seen.map(({ length }) => length).sort(), [1000, 1000, 500]);
  });
});

Deno.test("osvApi() follows the pages of each query", async () => {
  const table = { a: ["GHSA-1", "GHSA-2", "GHSA-3"], b: ["GHSA-4"] };
  const records = service(table);
  const sizes: number[] = [];
  await against(async (request, url) => {
    if (url.pathname !== "/v1/querybatch") return await records(request, url);
    const { queries } = await request.json() as { queries: Query[] };
    sizes.push(queries.length);
    return Response.json({
      results: queries.map(({ package: { name }, page_token }) => {
        const page = Number(page_token ?? 0);
        const ids = table[name as "a" | "b"];
        return {
          vulns: [{ id: ids[page] }],
          ...(page + 1 < ids.length && { next_page_token: String(page + 1) }),
        };
      }),
    });
  }, async (options) => {
    assertEquals(await idsOf(options, "a", "b"), { "npm:a": table.a, "npm:b": table.b });
    assertEquals(sizes, [2, 1, 1]);
  });
});

Deno.test("osvApi() gives up on a query whose pages do not end", async () => {
  let pages = 0;
  await against(() => {
    pages++;
    return Response.json({ results: [{ next_page_token: "again" }] });
  }, async (options) => {
    await assertRejects(() => idsOf(options, "a"), SecurityError, "pages");
    assertEquals(pages, 50);
  });
});

Deno.test("osvApi() tries again after 429 and 5xx, as long as it is asked to wait", async () => {
  const answers = [429, 503, 500];
  const records = service({ a: ["GHSA-1"] });
  await against((request, url) => {
    const status = url.pathname === "/v1/querybatch" ? answers.shift() : undefined;
    if (status === undefined) return records(request, url);
    return new Response("busy", { status, headers: status === 429 ? { "retry-after": "7" } : {} });
  }, async (options, sleeps) => {
    assertEquals(await idsOf(options, "a"), { "npm:a": ["GHSA-1"] });
    // Seven seconds as asked; then half of 500 ms and of 1 s, and half of that again by the jitter.
    assertEquals(sleeps, [7000, 375, 750]);
  });
});

Deno.test("osvApi() tries again when the connection is lost or the answer cut off", async () => {
  const records = service({ a: ["GHSA-1"] });
  let tries = 0;
  await against((request, url) => {
    tries++;
    if (tries === 1) return new Response('{"results":[{');
    if (tries === 2) {
      return new Response(
        new ReadableStream({ start: (controller) => controller.error(new Error("lost")) }),
      );
    }
    return records(request, url);
  }, async (options, sleeps) => {
    assertEquals(await idsOf(options, "a"), { "npm:a": ["GHSA-1"] });
    assertEquals(sleeps.length, 2);
  });
});

Deno.test("osvApi() fails when some record cannot be had", async () => {
  await against((request, url) => {
    if (url.pathname.endsWith("GHSA-2")) return new Response("no", { status: 500 });
    return service({ a: ["GHSA-1", "GHSA-2"] })(request, url);
  }, async (options, sleeps) => {
    const error = await assertRejects(() => idsOf(options, "a"), SecurityError, "500");
    assertEquals((error as SecurityError).code, "database-unreadable");
    assertEquals(sleeps.length, 3);
  });
});

Deno.test("osvApi() does not try again what will not change", async () => {
  let tries = 0;
  await against(() => {
    tries++;
    return new Response("no", { status: 400 });
  }, async (options, sleeps) => {
    await assertRejects(() => idsOf(options, "a"), SecurityError, "400");
    assertEquals([tries, sleeps.length], [1, 0]);
  });
});

Deno.test("osvApi() does not let a record redirect it", async () => {
  let elsewhere = 0;
  await against((_, url) => {
    if (url.pathname === "/elsewhere") elsewhere++;
    return new Response(null, { status: 307, headers: { location: "/elsewhere" } });
  }, async (options) => {
    await assertRejects(() => idsOf(options, "a"), SecurityError);
    assertEquals(elsewhere, 0);
  });
});

Deno.test("osvApi() gives up on a server that does not answer in time", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await against(async () => {
    await promise;
    return new Response("{}");
  }, async (options) => {
    try {
      await assertRejects(
        () => idsOf({ ...options, timeoutMs: 20, attempts: 2 }, "a"),
        SecurityError,
        "no answer in time",
      );
    } finally {
      resolve();
    }
  });
});

Deno.test("osvApi() keeps to the deadline of the whole lookup", async () => {
  let now = 0;
  let tries = 0;
  await against(() => {
    tries++;
    return new Response("busy", { status: 503, headers: { "retry-after": "60" } });
  }, async (options) => {
    const sleep = (milliseconds: number) => {
      now += milliseconds;
      return Promise.resolve();
    };
    await assertRejects(
      () => idsOf({ ...options, clock: () => now, sleep, deadlineMs: 100_000, attempts: 100 }, "a"),
      SecurityError,
      "503",
    );
    assertEquals([tries, now], [2, 60_000]);
  });
});

Deno.test("osvApi() stops when it is told to", async () => {
  const controller = new AbortController();
  await against(async (request) => {
    controller.abort(new RangeError("enough"));
    await request.body?.cancel();
    return new Response("{}");
  }, async (options) => {
    const { sleep: _, ...realSleep } = options;
    await assertRejects(
      () => osvApi(realSleep).lookup(packagesOf("a"), controller.signal),
      RangeError,
      "enough",
    );
    await assertRejects(
      () => osvApi(realSleep).lookup(packagesOf("a"), controller.signal),
      RangeError,
      "enough",
    );
  });
  // Also while it waits for the next attempt.
  const second = new AbortController();
  await against(() => {
    setTimeout(() => second.abort(new RangeError("enough")), 5);
    return new Response("busy", { status: 503, headers: { "retry-after": "30" } });
  }, async (options) => {
    const { sleep: _, ...realSleep } = options;
    await assertRejects(
      () => osvApi(realSleep).lookup(packagesOf("a"), second.signal),
      RangeError,
      "enough",
    );
  });
});

Deno.test("osvApi() puts no hostile id into an address", async () => {
  const paths: string[] = [];
  const hostile = [
    "../../secret",
    "..",
    "a/b",
    "x?y=1",
    "x#y",
    "\u001b[2J",
    "",
    "GHSA-1 ",
    "%2e%2e",
  ];
  const records = service({ a: ["GHSA-1"] });
  await against((request, url) => {
    paths.push(url.pathname);
    if (url.pathname !== "/v1/querybatch") return records(request, url);
    return Response.json({
      results: [{ vulns: [...hostile.map((id) => ({ id })), { id: 5 }, null, { id: "GHSA-1" }] }],
    });
  }, async (options) => {
    const source = osvApi(options);
    const found = await source.lookup(packagesOf("a"));
    assertEquals(found.get("npm:a")?.map(({ id }) => id), ["GHSA-1"]);
    assertEquals(paths, ["/v1/querybatch", "/v1/vulns/GHSA-1"]);
    assertEquals(source.invalid, hostile.length + 2);
  });
});

Deno.test("osvApi() counts records that are malformed or are not the ones asked for", async () => {
  await against((request, url) => {
    if (url.pathname.endsWith("GHSA-1")) return Response.json(recordOf("GHSA-9", "a"));
    if (url.pathname.endsWith("GHSA-2")) return Response.json({ id: "GHSA-2", affected: "all" });
    return service({ a: ["GHSA-1", "GHSA-2", "GHSA-3"] })(request, url);
  }, async (options) => {
    const source = osvApi(options);
    const found = await source.lookup(packagesOf("a"));
    assertEquals(found.get("npm:a")?.map(({ id }) => id), ["GHSA-3"]);
    assertEquals(source.invalid, 2);
  });
});

Deno.test("osvApi() refuses answers of another form", async () => {
  const bodies: unknown[] = [[], {}, { results: [] }, { results: [{}, {}] }, {
    results: [{ vulns: "x" }],
  }, { results: [{ vulns: [], next_page_token: 5 }] }];
  for (const body of bodies) {
    await against(() => Response.json(body), async (options) => {
      await assertRejects(() => idsOf(options, "a"), SecurityError, "documented form");
    });
  }
});

Deno.test("osvApi() does not read a body without end", async () => {
  let sent = 0;
  const chunk = new Uint8Array(1024 * 1024).fill(0x20);
  const records = service({ a: ["GHSA-1"] });
  await against((request, url) => {
    if (url.pathname === "/v1/querybatch") return records(request, url);
    return new Response(
      new ReadableStream({
        pull(controller) {
          sent++;
          controller.enqueue(chunk);
        },
      }),
    );
  }, async (options) => {
    await assertRejects(() => idsOf(options, "a"), SecurityError, "larger than");
    assert(sent < 40, `${sent} MB`);
  });
});

Deno.test("osvApi() says that it cannot be reached, and keeps to its concurrency", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const options = { baseUrl: `http://127.0.0.1:${port}`, sleep: () => Promise.resolve() };
  const error = await assertRejects(() => idsOf(options, "a"), SecurityError);
  assertStringIncludes((error as SecurityError).message, "cannot be reached");

  let active = 0;
  let most = 0;
  const ids = Array.from({ length: 30 }, (_, index) => `GHSA-${index}`);
  const records = service({ a: ids });
  await against(async (request, url) => {
    active++;
    most = Math.max(most, active);
    await new Promise((resolve) => setTimeout(resolve, 2));
    active--;
    return await records(request, url);
  }, async (options) => {
    assertEquals((await idsOf({ ...options, concurrency: 3 }, "a"))["npm:a"], ids);
    assertEquals(most, 3);
  });
});
