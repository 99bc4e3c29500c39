/**
 * A program with an audit log that ends in one way or another: `deno run _sink_child.ts HOW PATH DURABILITY`.
 *
 * With `std/log` in place of the durability, it writes with the file handler of @std/log.
 */
import { type Durability, jsonLinesSink } from "../../src/events/json_lines_sink.ts";
import type { AuditEvent } from "../../src/events/audit_event.ts";

/** How many events a program writes before it ends. */
export const EVENTS = 5;

/** How many it writes into a file that cannot take them all. */
export const FILL = 170;

/** Here, and not with what the tests share: hundreds of these programs are started. */
function event(id: string): AuditEvent {
  const time = "2026-01-02T03:04:05.678Z";
  return {
    id,
    seq: 1,
    kind: "file.read",
    outcome: "success",
    severity: "info",
    time,
    recordedAt: time,
    correlationId: "c-1",
    details: {},
  };
}

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

async function writer(
  path: string,
  durability: string,
): Promise<(id: string) => void | Promise<void>> {
  if (durability !== "std/log") {
    const sink = jsonLinesSink({
      path,
      durability: durability as Durability,
      chain: {},
      flushIntervalMs: 60_000,
    });
    return (id) => sink.write(event(id));
  }
  const { FileHandler, Logger } = await import("@std/log");
  const handler = new FileHandler("INFO", { filename: path });
  handler.setup();
  const logger = new Logger("audit", "INFO", { handlers: [handler] });
  return (id) => {
    logger.info(id);
  };
}

/** Writes without end, with some in flight, and says what was acknowledged. */
async function writeOn(write: (id: string) => void | Promise<void>): Promise<never> {
  const prefix = crypto.randomUUID();
  let number = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (true) {
      const id = `${prefix}-${++number}`;
      await write(id);
      say(id);
    }
  }));
  throw new Error("unreachable");
}

/** Goes on until the limit of the size of files is reached, and after the file was moved out of the way. */
async function fillUp(path: string, write: (id: string) => void | Promise<void>): Promise<void> {
  let lost = 0;
  for (let number = 0; number < FILL; number++) {
    if (number === 150) Deno.renameSync(path, `${path}.full`);
    try {
      await write(`fill-${number}`);
      say(`fill-${number}`);
    } catch {
      lost++;
    }
  }
  say(`lost ${lost}`);
}

/** What a program has to do itself when it is to end: it takes a while, and reports. */
function drainOn(signal: Deno.Signal, write: (id: string) => void | Promise<void>): void {
  let heard = 0;
  Deno.addSignalListener(signal, () => {
    say("heard");
    if (++heard > 1) return;
    setTimeout(() => {
      write("drained")?.catch(() => {});
      Deno.exit(0);
    }, 50);
  });
}

async function run([how = "", path = "", durability = ""]: readonly string[]): Promise<void> {
  const write = await writer(path, durability);
  if (how === "drain" || how === "drain-two") drainOn("SIGTERM", write);
  if (how === "drain-two") await (await writer(`${path}.two`, durability))("other");
  if (how === "unload" || how === "throw-late") {
    const type = how === "unload" ? "unload" : "error";
    globalThis.addEventListener(type, () => void write("late")?.catch(() => {}));
  }
  if (how === "write-on") await writeOn(write);
  if (how === "fill-up") return await fillUp(path, write);
  for (let number = 1; number <= EVENTS; number++) {
    const safe = write(`e-${number}`);
    if (how === "kill") await safe;
    else safe?.catch(() => {});
  }
  say("written");
  switch (how) {
    case "throw":
    case "throw-late":
      setTimeout(() => {
        throw new Error("thrown");
      }, 0);
      break;
    case "reject":
      Promise.reject(new Error("rejected"));
      break;
    case "exit":
      Deno.exit(3);
      break;
    case "sigterm":
    case "sigint":
    case "drain":
    case "drain-two":
    case "kill":
      setTimeout(() => {}, 60_000);
  }
}

if (import.meta.main) await run(Deno.args);
