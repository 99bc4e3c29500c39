import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { limitBytes } from "../../src/runtime/limit_bytes.ts";
import { settle, streamOf, watch } from "./_streams.ts";

Deno.test("limitBytes() lets pass what is within the limit, as it comes", async () => {
  const chunks = [new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array([3])];
  const passed: Uint8Array[] = [];
  for await (const chunk of streamOf(...chunks).pipeThrough(limitBytes(3))) passed.push(chunk);
  assertEquals(passed, chunks);
});

Deno.test("limitBytes() stops an endless stream, and cancels its source", async () => {
  const watched = watch({ next: () => new Uint8Array(10) });
  let passed = 0;
  const error = await assertRejects(async () => {
    for await (const chunk of watched.stream.pipeThrough(limitBytes(25))) passed += chunk.length;
  }, SecurityError);
  assertEquals([error.code, error.details, passed], ["too-large", { maxBytes: 25 }, 20]);
  await settle();
  assertEquals(watched.cancelled?.reason, error);
  assert(watched.pulled < 6);
});

Deno.test("limitBytes() refuses what is no bytes, and wrong limits", async () => {
  const strings = new ReadableStream({
    start(controller) {
      controller.enqueue("text");
      controller.close();
    },
  });
  await assertRejects(() => new Response(strings.pipeThrough(limitBytes(10))).text(), TypeError);
  for (const wrong of [NaN, -1, 0.5, Infinity]) assertThrows(() => limitBytes(wrong), RangeError);
  assertThrows(() => limitBytes("1" as unknown as number), TypeError);
});
