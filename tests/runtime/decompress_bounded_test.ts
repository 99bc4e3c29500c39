import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { fromFileUrl } from "@std/path/from-file-url";
import { SecurityError } from "../../src/errors.ts";
import { webInflater } from "../../src/runtime/_inflate.ts";
import {
  type CompressionFormat,
  decompressBounded,
  type DecompressBoundedOptions,
  decompressStreamBounded,
} from "../../src/runtime/decompress_bounded.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { settle, streamOf, watch } from "./_streams.ts";

const FORMATS: readonly CompressionFormat[] = ["gzip", "deflate", "deflate-raw"];
const TEXT = new TextEncoder().encode(
  Array.from({ length: 20_000 }, (_, at) => `line ${at * 7919 % 10_007}`).join("\n"),
);

async function compress(bytes: Uint8Array<ArrayBuffer>, format: CompressionFormat) {
  const stream = new Response(bytes).body!.pipeThrough(new CompressionStream(format));
  return await new Response(stream).bytes();
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function code(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, SecurityError) as SecurityError).code;
}

Deno.test("decompressBounded() gives what was compressed, however it is cut", async () => {
  for (const format of FORMATS) {
    const compressed = await compress(TEXT, format);
    const options = { format, maxBytes: TEXT.length };
    for (const source of [compressed, streamOf(compressed), streamOf(...cut(compressed, 100))]) {
      const bytes = await decompressBounded(source, options);
      assertEquals(bytes.length, TEXT.length);
      assert(bytes.every((byte, at) => byte === TEXT[at]));
    }
    const less = { format, maxBytes: TEXT.length - 1 };
    assertEquals(await code(decompressBounded(compressed, less)), "too-large");
    assertEquals(
      (await decompressBounded(await compress(new Uint8Array(), format), { format, maxBytes: 0 }))
        .length,
      0,
    );
  }
});

Deno.test("decompressBounded() refuses what is cut off, broken or followed by more", async () => {
  let silent = 0;
  for (const format of FORMATS) {
    const compressed = await compress(TEXT, format);
    const options = { format, maxBytes: 10_000_000 };
    const table: Record<string, Uint8Array<ArrayBuffer>> = {
      "nothing": new Uint8Array(),
      "its beginning": compressed.slice(0, 10),
      "half of it": compressed.slice(0, compressed.length / 2),
      "all but the last byte": compressed.slice(0, -1),
      "something behind it": join(compressed, new Uint8Array([1, 2, 3])),
      "no compressed data": TEXT,
    };
    for (const [name, bytes] of Object.entries(table)) {
      for (const size of [bytes.length || 1, 256]) {
        const read = decompressBounded(streamOf(...cut(bytes, size)), options);
        assertEquals(await code(read), "stream-invalid", `${format}: ${name}`);
      }
    }
    // What comes later counts as well.
    const later = decompressBounded(streamOf(compressed, new Uint8Array([1])), options);
    assertEquals(await code(later), "stream-invalid");
    // The control: the bare stream takes some of what was cut off for a whole.
    const bare = new Response(compressed.slice(0, -1)).body!.pipeThrough(
      new DecompressionStream(format),
    );
    await new Response(bare).bytes().then(() => silent++, () => {});
    if (format !== "deflate-raw") {
      const broken = compressed.slice();
      broken[broken.length - 2]! ^= 1;
      assertEquals(await code(decompressBounded(broken, options)), "stream-invalid");
    }
  }
  assert(silent > 0);
});

Deno.test("decompressBounded() stops a bomb by size and by ratio", async () => {
  for (const format of FORMATS) {
    const bomb = await compress(new Uint8Array(20_000_000), format);
    assertEquals(await code(decompressBounded(bomb, { format, maxBytes: 1_000_000 })), "too-large");
    const options = { format, maxBytes: 100_000_000, maxRatio: 100 };
    const watched = watch({ next: (index) => bomb.slice(index * 100, index * 100 + 100) });
    const error = await assertRejects(
      () => decompressBounded(watched.stream, options),
      SecurityError,
    );
    assertEquals([error.code, error.details], ["too-large", { maxRatio: 100 }]);
    assertLess(watched.pulled, 20);
    await settle();
    assert(watched.cancelled !== undefined);
    const text = await compress(TEXT, format);
    assertEquals((await decompressBounded(text, options)).length, TEXT.length);
  }
});

Deno.test({
  name: "decompressBounded() needs little memory for a bomb",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const measure = async (kind: string) => {
      const { success, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "--no-check", "--no-prompt", "-A", child, kind],
        stderr: "inherit",
      }).output();
      assert(success);
      return JSON.parse(new TextDecoder().decode(stdout));
    };
    const child = fromFileUrl(new URL("./_bomb_child.ts", import.meta.url));
    // The control: whoever breaks off after the first chunk has all of it.
    const bare = await measure("bare");
    assertEquals([bare.outcome, bare.largest], ["broke off", 50_000_000]);
    assertGreater(bare.grownKib, 40_000);
    const bounded = await measure("bounded");
    assertEquals(bounded.outcome, "too-large");
    assertLess(bounded.grownKib, bare.grownKib / 2);
    // Where there is no node:zlib.
    const web = await measure("web");
    assertEquals(web.outcome, 50_000_000);
    assertLess(web.largest, 300_000);
  },
});

Deno.test("decompressBounded() ends in time, and when the signal is aborted", async () => {
  const half = (await compress(TEXT, "gzip")).slice(0, 1000);
  for (const hangsInCancel of [false, true]) {
    for (const kind of ["time", "signal", "signal before"]) {
      const clock = new VirtualClock();
      const controller = new AbortController();
      const reason = new Error("client gone");
      if (kind === "signal before") controller.abort(reason);
      const watched = watch({
        next: (index) => index === 0 ? half : new Promise(() => {}),
        hangsInCancel,
      });
      const reading = decompressBounded(watched.stream, {
        format: "gzip",
        maxBytes: 1_000_000,
        timeoutMs: 100,
        clock,
        signal: controller.signal,
      });
      const failing = assertRejects(() => reading);
      await settle();
      if (kind === "time") clock.advance(100);
      if (kind === "signal") controller.abort(reason);
      const error = await failing;
      if (kind === "time") assertEquals((error as SecurityError).code, "timeout");
      else assertEquals(error, reason);
      await settle();
      assertEquals(watched.cancelled !== undefined, true, kind);
      assertEquals([clock.timers, watched.stream.locked], [0, false]);
    }
  }
});

Deno.test("decompressBounded() passes on what the stream fails with", async () => {
  const half = (await compress(TEXT, "gzip")).slice(0, 1000);
  const reason = new Error("reset");
  const watched = watch({ next: (index) => index === 0 ? half : Promise.reject(reason) });
  const options = { format: "gzip", maxBytes: 1_000_000 } as const;
  assertEquals(await assertRejects(() => decompressBounded(watched.stream, options)), reason);
  const text = watch({ next: () => "text" });
  await assertRejects(() => decompressBounded(text.stream, options), TypeError);
});

Deno.test("decompressStreamBounded() gives it as fast as it is read, and can be cancelled", async () => {
  const bomb = await compress(new Uint8Array(20_000_000), "deflate");
  const options = { format: "deflate", maxBytes: 100_000_000 } as const;
  for (const reads of [0, 1, 5]) {
    const clock = new VirtualClock();
    const watched = watch({ next: (index) => bomb.slice(index * 100, index * 100 + 100) });
    const stream = decompressStreamBounded(watched.stream, { ...options, clock });
    const reader = stream.getReader();
    for (let count = 0; count < reads; count++) {
      const { value } = await reader.read();
      assert(value!.length <= 65_536);
    }
    await settle();
    assertLess(watched.pulled, 20);
    await reader.cancel(new Error("enough"));
    await settle();
    assertEquals((watched.cancelled?.reason as Error).message, "enough");
    assertEquals(clock.timers, 0);
  }
  const whole = decompressStreamBounded(bomb, options);
  assertEquals((await new Response(whole).bytes()).length, 20_000_000);
});

Deno.test("the inflater for where there is no node:zlib gives the same", async () => {
  for (const format of FORMATS) {
    const compressed = await compress(TEXT, format);
    const inflater = webInflater(format);
    const feeding = inflater.write(compressed).then(() => inflater.end());
    const chunks: Uint8Array[] = [];
    for await (const chunk of inflater.chunks()) chunks.push(chunk);
    await feeding;
    assertEquals(join(...chunks), TEXT);
    inflater.destroy();

    const broken = webInflater(format);
    const failing = assertRejects(() => broken.write(new Uint8Array(1000).fill(0xff)));
    await assertRejects(async () => {
      for await (const _ of broken.chunks());
    }, SecurityError);
    await failing;
  }
});

Deno.test("decompressBounded() refuses wrong options", async () => {
  const bytes = await compress(TEXT, "gzip");
  const table: readonly (readonly [object, typeof TypeError | typeof RangeError])[] = [
    [{ format: "br", maxBytes: 1 }, TypeError],
    [{ maxBytes: 1 }, TypeError],
    ...[NaN, -1, Infinity, 0.5, undefined].map((maxBytes) =>
      [{ format: "gzip", maxBytes }, RangeError] as const
    ),
    ...[NaN, 0, -1, 1.5].map((maxRatio) =>
      [{ format: "gzip", maxBytes: 1, maxRatio }, RangeError] as const
    ),
    ...[NaN, 0, Infinity].map((timeoutMs) =>
      [{ format: "gzip", maxBytes: 1, timeoutMs }, RangeError] as const
    ),
  ];
  for (const [options, error] of table) {
    assertThrows(() => decompressStreamBounded(bytes, options as DecompressBoundedOptions), error);
    await assertRejects(() => decompressBounded(bytes, options as DecompressBoundedOptions), error);
  }
  const options = { format: "gzip", maxBytes: 1 } as const;
  for (const source of [undefined, null, "text", {}]) {
    await assertRejects(
      () => decompressBounded(source as unknown as Uint8Array, options),
      TypeError,
    );
  }
});
