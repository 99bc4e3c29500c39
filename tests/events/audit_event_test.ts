import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type AuditEventInput,
  type AuditOutcome,
  type AuditReporter,
  type AuditSeverity,
  defaultSeverity,
  silentReporter,
} from "@bartizan/security";

const severities: Readonly<Record<AuditOutcome, AuditSeverity>> = {
  success: "info",
  denied: "warning",
  failure: "warning",
  error: "error",
};

Deno.test("defaultSeverity() knows every outcome", () => {
  for (const [outcome, severity] of Object.entries(severities)) {
    assertEquals(defaultSeverity(outcome as AuditOutcome), severity);
  }
});

Deno.test("silentReporter.report() drops what it is told, at once", () => {
  assertEquals(silentReporter.report({ kind: "file.read", outcome: "success" }), undefined);
  assert(Object.isFrozen(silentReporter));
});

/** What a layer does with a reporter: the operation is done only once it is on record. */
async function operation(reporter: AuditReporter): Promise<string> {
  await reporter.report({ kind: "file.read", outcome: "success", resource: "notes/a.md" });
  return "done";
}

Deno.test("AuditReporter lets a layer work with any sink, and a failed record refuse", async () => {
  const seen: AuditEventInput[] = [];
  assertEquals(await operation({ report: (event) => void seen.push(event) }), "done");
  assertEquals(seen, [{ kind: "file.read", outcome: "success", resource: "notes/a.md" }]);
  assertEquals(await operation({ report: () => Promise.resolve() }), "done");
  assertEquals(await operation(silentReporter), "done");
  const full: AuditReporter = { report: () => Promise.reject(new Error("disk full")) };
  await assertRejects(() => operation(full), Error, "disk full");
});
