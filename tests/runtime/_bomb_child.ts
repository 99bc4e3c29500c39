/** Decompresses a bomb of 50 MB, and tells how much memory that took: `bounded`, `web` or `bare`. */
import { webInflater } from "../../src/runtime/_inflate.ts";
import { decompressBounded } from "../../src/runtime/decompress_bounded.ts";

const bomb = await new Response(
  new Response(new Uint8Array(50_000_000)).body!.pipeThrough(new CompressionStream("gzip")),
).bytes();
const highest = () => Number(/VmHWM:\s*(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
/** The mark is the highest so far: it begins anew. */
Deno.writeTextFileSync("/proc/self/clear_refs", "5");
const before = highest();
let outcome: string | number = "";
let largest = 0;
if (Deno.args[0] === "bounded") {
  outcome = await decompressBounded(bomb, { format: "gzip", maxBytes: 1_000_000 })
    .then(({ length }) => length, ({ code }) => code);
} else if (Deno.args[0] === "web") {
  const inflater = webInflater("gzip");
  const feeding = inflater.write(bomb).then(() => inflater.end());
  let total = 0;
  for await (const chunk of inflater.chunks()) {
    total += chunk.length;
    largest = Math.max(largest, chunk.length);
  }
  await feeding;
  outcome = total;
} else {
  const stream = new Response(bomb).body!.pipeThrough(new DecompressionStream("gzip"));
  for await (const chunk of stream) {
    largest = Math.max(largest, chunk.length);
    outcome = "broke off";
    break;
  }
}
console.log(JSON.stringify({ outcome, largest, grownKib: highest() - before }));
