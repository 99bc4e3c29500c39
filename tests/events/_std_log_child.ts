/** A program that logs to a file and then ends in the way that its second argument says. */
import { FileHandler } from "@std/log/file-handler";
import { setup } from "@std/log/setup";
import { getLogger } from "@std/log/get-logger";
import { stdLogSink } from "../../src/events/std_log_sink.ts";

const [filename = "", end, flush] = Deno.args;
setup({
  handlers: { file: new FileHandler("INFO", { filename }) },
  loggers: { audit: { level: "INFO", handlers: ["file"] } },
});
if (flush === "flush") {
  const sink = stdLogSink({ logger: "audit" });
  await sink.write({
    id: "1",
    seq: 1,
    kind: "file.read",
    outcome: "success",
    severity: "info",
    time: "2026-01-02T03:04:05.678Z",
    recordedAt: "2026-01-02T03:04:05.680Z",
    correlationId: "c-1",
    details: {},
  });
  await sink.flush?.();
} else {
  getLogger("audit").info("something that happened");
}
switch (end) {
  case "throw":
    throw new Error("ends here");
  case "rejection":
    Promise.reject(new Error("ends here"));
    break;
  case "exit":
    Deno.exit(0);
    break;
  case "SIGTERM":
  case "SIGKILL":
    // It ends when the signal is delivered, not with the call.
    setTimeout(() => {}, 30_000);
    Deno.kill(Deno.pid, end);
    break;
  default:
}
