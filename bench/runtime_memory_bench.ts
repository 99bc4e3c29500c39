/**
 * Input within bounds against the bare functions, and addresses and block lists.
 *
 * Run with `deno task bench bench/runtime_memory_bench.ts`.
 */
import { createClientAddress } from "../src/runtime/client_address.ts";
import { BlockList } from "../src/runtime/block_list.ts";
import { decompressBounded } from "../src/runtime/decompress_bounded.ts";
import { parseJsonText } from "../src/runtime/parse_json_bounded.ts";
import { readBounded } from "../src/runtime/read_bounded.ts";
import { benchOnce, formatTurns, takeTurns } from "./_turns.ts";

const TABLE = { maxBytes: 10_000_000, maxTokens: 10_000_000 };

function records(bytes: number, name: string): string {
  const items: string[] = [];
  for (let at = 0, length = 0; length < bytes; at++) {
    const item = JSON.stringify({
      id: at,
      [name]: `user ${at}`,
      tags: ["a", "b", "c"],
      place: { x: at * 1.5, y: null, ok: true },
      text: 'some "quoted" text, é',
    });
    items.push(item);
    length += item.length + 1;
  }
  return `[${items.join()}]`;
}

const text = records(1_000_000, "name");
const bytes = new TextEncoder().encode(text);
const prose = JSON.stringify(Array.from({ length: 1000 }, () => "lorem ipsum dolor ".repeat(55)));
const numbers = JSON.stringify(Array.from({ length: 150_000 }, (_, at) => at * 7919 % 1_000_003));
const escaped = records(1_000_000, 'na"me');

for (
  const [name, json] of [["records", text], ["long strings", prose], ["numbers", numbers], [
    "escaped names",
    escaped,
  ]] as const
) {
  benchOnce(
    `JSON of 1 MB, ${name} (table below)`,
    async () =>
      formatTurns(
        `JSON of 1 MB, ${name}`,
        await takeTurns([
          { name: "JSON.parse", run: (): unknown => JSON.parse(json) },
          {
            name: "parseJsonText, keys last",
            run: () => parseJsonText(json, { ...TABLE, keys: "last" }),
          },
          { name: "parseJsonText", run: () => parseJsonText(json, TABLE) },
        ], { rounds: 21, calls: 3 }),
      ),
  );
}

benchOnce(
  "JSON of 1 MB in bytes (table below)",
  async () =>
    formatTurns(
      "JSON of 1 MB in bytes",
      await takeTurns([
        {
          name: "TextDecoder and JSON.parse",
          run: () => JSON.parse(new TextDecoder().decode(bytes)),
        },
        { name: "parseJsonText", run: () => parseJsonText(bytes, TABLE) },
      ], { rounds: 21, calls: 3 }),
    ),
);

const body = () => new Response(bytes);
benchOnce(
  "a body of 1 MB (table below)",
  async () =>
    formatTurns(
      "a body of 1 MB",
      await takeTurns([
        { name: "Response.bytes", run: () => body().bytes() },
        {
          name: "readBounded",
          run: () => readBounded(body(), { maxBytes: 2_000_000 }),
        },
      ], { rounds: 21, calls: 10 }),
    ),
);

const gzip = await new Response(body().body!.pipeThrough(new CompressionStream("gzip"))).bytes();
benchOnce("gzip of 1 MB (table below)", async () =>
  formatTurns(
    "gzip of 1 MB",
    await takeTurns([
      {
        name: "DecompressionStream",
        run: () =>
          new Response(new Response(gzip).body!.pipeThrough(new DecompressionStream("gzip")))
            .bytes(),
      },
      {
        name: "decompressBounded",
        run: () => decompressBounded(gzip, { format: "gzip", maxBytes: 2_000_000 }),
      },
    ], { rounds: 21, calls: 5 }),
  ));

const blocks = new BlockList({ allow: [{ network: "10.0.0.0/8" }] });
for (let at = 0; at < 100_000; at++) {
  await blocks.block({ source: `198.${at >> 16}.${at >> 8 & 255}.${at & 255}` }, {
    reason: "",
    forMs: 86_400_000,
  });
}
await blocks.block({ network: "203.0.113.0/24" }, { reason: "", forMs: 86_400_000 });
const empty = new BlockList();
const known = new Map([["198.0.0.1", true]]);
const clientAddress = createClientAddress({ trustedProxies: ["10.0.0.0/8"] });
const info = { remoteAddr: { transport: "tcp", hostname: "10.0.0.2", port: 1 } };
const request = new Request("http://localhost/", {
  headers: { "x-forwarded-for": "1.1.1.1, 203.0.113.7" },
});
let number = 0;
benchOnce(
  "addresses and blocks (table below)",
  async () =>
    formatTurns(
      "addresses and blocks, 100,000 blocked",
      await takeTurns([
        { name: "Map of strings", run: () => known.has(`192.0.2.${number++ & 255}`) },
        {
          name: "isBlocked, empty list",
          run: () => empty.isBlocked({ source: `192.0.2.${number++ & 255}` }),
        },
        {
          name: "isBlocked, free",
          run: () => blocks.isBlocked({ source: `192.0.2.${number++ & 255}`, principal: "alice" }),
        },
        {
          name: "isBlocked, blocked",
          run: () => blocks.isBlocked({ source: `203.0.113.${number++ & 255}` }),
        },
        {
          name: "clientAddress, forwarded",
          run: () => clientAddress(request, info),
        },
      ], { rounds: 21, calls: 2000 }),
    ),
);

addEventListener("unload", () => {
  blocks.close();
  empty.close();
});
