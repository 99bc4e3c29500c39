import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import {
  type BodyCarrier,
  readBounded,
  type ReadBoundedOptions,
} from "../../src/runtime/read_bounded.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { settle, streamOf, watch } from "./_streams.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const never = new Promise(() => {});

/** The code of the refusal. */
async function code(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, SecurityError) as SecurityError).code;
}

Deno.test("readBounded() reads what is within the limit, however it is cut", async () => {
  const all = crypto.getRandomValues(new Uint8Array(50_000));
  for (const size of [1, 7, 4096, 16_384, 16_385, 50_000]) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += size) chunks.push(all.subarray(at, at + size));
    for (const maxBytes of [50_000, 50_001, 10 ** 9]) {
      const read = await readBounded(streamOf(...chunks), { maxBytes });
      assertEquals(read.length, all.length);
      assert(read.every((byte, at) => byte === all[at]));
      assertEquals(read.buffer.byteLength, all.length);
    }
    assertEquals(await code(readBounded(streamOf(...chunks), { maxBytes: 49_999 })), "too-large");
  }
  assertEquals(await readBounded(streamOf(), { maxBytes: 0 }), bytes());
  assertEquals(await readBounded(streamOf(bytes(), bytes(1), bytes()), { maxBytes: 1 }), bytes(1));
  assertEquals(await code(readBounded(streamOf(bytes(1)), { maxBytes: 0 })), "too-large");
});

Deno.test("readBounded() gives memory of its own", async () => {
  const chunk = bytes(1, 2, 3);
  const read = await readBounded(streamOf(chunk), { maxBytes: 3 });
  chunk[0] = 9;
  assertEquals(read, bytes(1, 2, 3));
});

Deno.test("readBounded() reads requests and responses", async () => {
  const request = () => new Request("http://localhost/", { method: "POST", body: "hello" });
  assertEquals(await readBounded(request(), { maxBytes: 5 }), new TextEncoder().encode("hello"));
  assertEquals(await code(readBounded(request(), { maxBytes: 4 })), "too-large");
  assertEquals(
    await readBounded(new Response("hi"), { maxBytes: 2 }),
    new TextEncoder().encode("hi"),
  );
  assertEquals(await readBounded(new Response(null), { maxBytes: 2 }), bytes());
  // What was read before is no empty body.
  const used = request();
  await used.text();
  await assertRejects(() => readBounded(used, { maxBytes: 5 }), TypeError, "read before");
});

Deno.test("readBounded() ends in time though a stream has nothing, and has it at once", async () => {
  const empty = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(0)),
  });
  assertEquals(await code(readBounded(empty, { maxBytes: 1, timeoutMs: 50 })), "timeout");
});

Deno.test("readBounded() stops an endless stream at once, and cancels it", async () => {
  const endless = () => watch({ next: () => new Uint8Array(1000) });
  // The control: without a limit, a thousand chunks are in memory, and there is no end.
  const bare = endless();
  let gathered = 0;
  for await (const chunk of bare.stream) {
    gathered += chunk.length;
    if (bare.pulled === 1000) break;
  }
  assertEquals(gathered, 1_000_000);
  const watched = endless();
  assertEquals(await code(readBounded(watched.stream, { maxBytes: 10_000 })), "too-large");
  assertEquals(watched.pulled, 11);
  assertEquals((watched.cancelled?.reason as SecurityError).code, "too-large");
  assertEquals(watched.stream.locked, false);
});

Deno.test("readBounded() refuses a Content-Length that is too much before it reads", async () => {
  const table: readonly (readonly [string, boolean])[] = [
    ["11", false],
    ["99999999999999999999999999", false],
    ["10", true],
    ["0", true],
    ["-5", true],
    ["1e9", true],
    ["", true],
  ];
  for (const [length, isRead] of table) {
    const watched = watch({ next: (index) => index === 0 ? new Uint8Array(10) : undefined });
    const carrier: BodyCarrier = {
      body: watched.stream,
      headers: new Headers({ "content-length": length }),
    };
    const reading = readBounded(carrier, { maxBytes: 10 });
    if (isRead) assertEquals((await reading).length, 10, length);
    else assertEquals([await code(reading), watched.pulled], ["too-large", 0], length);
    assertEquals(watched.cancelled === undefined, isRead);
  }
});

Deno.test("readBounded() takes no memory for what was only promised", async () => {
  const watched = watch({ next: (index) => index === 0 ? bytes(1) : never });
  const carrier: BodyCarrier = {
    body: watched.stream,
    headers: new Headers({ "content-length": "1000000000" }),
  };
  const clock = new VirtualClock();
  const before = Deno.memoryUsage().external;
  const reading = readBounded(carrier, { maxBytes: 1_000_000_000, clock });
  await settle();
  assertLess(Deno.memoryUsage().external - before, 10_000_000);
  clock.advance(30_000);
  assertEquals(await code(reading), "timeout");
});

Deno.test("readBounded() takes no more memory for small chunks", async () => {
  const count = 200_000;
  const watched = watch({ next: (index) => index < count ? new Uint8Array(1) : undefined });
  assertEquals((await readBounded(watched.stream, { maxBytes: count })).length, count);
});

Deno.test("readBounded() ends in time, whatever the stream does", async () => {
  for (const hangsInCancel of [false, true]) {
    const clock = new VirtualClock();
    const watched = watch({ next: (index) => index < 2 ? bytes(1) : never, hangsInCancel });
    const reading = readBounded(watched.stream, { maxBytes: 10, timeoutMs: 500, clock });
    await settle();
    clock.advance(499);
    await settle();
    assertEquals(watched.cancelled, undefined);
    clock.advance(1);
    const error = await assertRejects(() => reading, SecurityError);
    assertEquals([error.code, error.details], ["timeout", { timeoutMs: 500 }]);
    assertEquals(watched.cancelled?.reason, error);
    assertEquals([watched.stream.locked, clock.timers], [false, 0]);
  }
});

Deno.test("readBounded() ends in time when chunks keep coming", async () => {
  const clock = new VirtualClock();
  const watched = watch({
    next: () => {
      clock.advance(10);
      return bytes(1);
    },
  });
  const reading = readBounded(watched.stream, { maxBytes: 10 ** 9, timeoutMs: 500, clock });
  assertEquals(await code(reading), "timeout");
  assertEquals([watched.pulled, clock.timers], [50, 0]);
});

Deno.test("readBounded() ends when the signal is aborted, with its reason", async () => {
  for (const hangsInCancel of [false, true]) {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const watched = watch({ next: () => never, hangsInCancel });
    const options = { maxBytes: 10, signal: controller.signal, clock };
    const reading = readBounded(watched.stream, options);
    await settle();
    const reason = new Error("client gone");
    controller.abort(reason);
    assertEquals(await assertRejects(() => reading), reason);
    assertEquals([watched.cancelled, clock.timers], [{ reason }, 0]);
    const later = watch({ next: () => bytes(1) });
    assertEquals(await assertRejects(() => readBounded(later.stream, options)), reason);
    assertEquals(later.cancelled, { reason });
  }
});

Deno.test("readBounded() refuses who sends too slowly", async () => {
  const trickle = async (everyMs: number, options: Partial<ReadBoundedOptions>) => {
    const clock = new VirtualClock();
    let sent = 0;
    const watched = watch({
      next: () => {
        clock.advance(everyMs);
        return sent++ < 40 ? new Uint8Array(100) : undefined;
      },
    });
    const reading = readBounded(watched.stream, {
      maxBytes: 10_000,
      timeoutMs: 600_000,
      clock,
      ...options,
    });
    const outcome = await reading.then(({ length }) => length, (error) => error.code);
    assertEquals(clock.timers, 0);
    return outcome;
  };
  // The control: within its time, a client may take an hour for a form.
  assertEquals(await trickle(10_000, {}), 4000);
  assertEquals(await trickle(10_000, { minBytesPerSecond: 20 }), "timeout");
  assertEquals(await trickle(1000, { minBytesPerSecond: 50 }), 4000);
  assertEquals(await trickle(1000, { minBytesPerSecond: 101 }), "timeout");
});

Deno.test("readBounded() refuses what is no stream of bytes", async () => {
  for (const chunk of ["text", 7, null, [1], new ArrayBuffer(1), new Uint16Array(1), {}]) {
    const watched = watch({ next: () => chunk });
    await assertRejects(() => readBounded(watched.stream, { maxBytes: 10 }), TypeError);
    assert(watched.cancelled !== undefined);
  }
  for (const source of [undefined, null, "text", 7, {}]) {
    await assertRejects(() => readBounded(source as BodyCarrier, { maxBytes: 10 }), TypeError);
  }
  const locked = streamOf(bytes(1));
  locked.getReader();
  await assertRejects(() => readBounded(locked, { maxBytes: 10 }), TypeError);
});

Deno.test("readBounded() passes on what the stream fails with", async () => {
  const clock = new VirtualClock();
  const reason = new Error("reset");
  const watched = watch({ next: (index) => index === 0 ? bytes(1) : Promise.reject(reason) });
  assertEquals(
    await assertRejects(() => readBounded(watched.stream, { maxBytes: 10, clock })),
    reason,
  );
  assertEquals(clock.timers, 0);
});

Deno.test("readBounded() refuses wrong options before it reads", async () => {
  const watched = watch({ next: () => bytes(1) });
  const table: readonly object[] = [
    ...[NaN, -1, 0.5, Infinity, undefined].map((maxBytes) => ({ maxBytes })),
    ...[NaN, 0, -1, Infinity, 2 ** 31].map((timeoutMs) => ({ maxBytes: 1, timeoutMs })),
    ...[NaN, -1, Infinity].map((minBytesPerSecond) => ({ maxBytes: 1, minBytesPerSecond })),
  ];
  for (const options of table) {
    await assertRejects(
      () => readBounded(watched.stream, options as ReadBoundedOptions),
      RangeError,
    );
  }
  assertEquals([watched.pulled, watched.stream.locked], [0, false]);
});

Deno.test("readBounded() stops a client that sends more than it may", async () => {
  const outcomes: unknown[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    outcomes.push(await readBounded(request, { maxBytes: 100_000 }).catch(({ code }) => code));
    return new Response(null, { status: 413 });
  });
  const connection = await Deno.connect({ port: server.addr.port, hostname: "127.0.0.1" });
  const write = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  };
  const ascii = (text: string) => new TextEncoder().encode(text);
  await write(ascii("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const chunk = ascii(`2710\r\n${"x".repeat(10_000)}\r\n`);
  // It never says that this was all.
  for (let count = 0; count < 11; count++) await write(chunk);
  const answer = new Uint8Array(12);
  await connection.read(answer);
  assertEquals(new TextDecoder().decode(answer), "HTTP/1.1 413");
  connection.close();
  await server.shutdown();
  assertEquals(outcomes, ["too-large"]);
});
