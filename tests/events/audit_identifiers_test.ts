import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertMatch,
  assertStrictEquals,
} from "@std/assert";
import type { AuditEvent, AuditEventInput } from "../../src/events/audit_event.ts";
import { AuditLogger, type AuditLoggerOptions } from "../../src/events/audit_logger.ts";
import { createAlerts } from "../../src/events/alerts.ts";
import { functionSink } from "../../src/events/function_sink.ts";
import { memorySink } from "../../src/events/memory_sink.ts";
import { blockAction } from "../../src/runtime/block_action.ts";
import { BlockList } from "../../src/runtime/block_list.ts";

const JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

function recorder(options: Partial<AuditLoggerOptions> = {}) {
  const [sink, plain] = [memorySink(), memorySink({ plainIdentifiers: true })];
  const audit = new AuditLogger({ sinks: [sink, plain], ...options });
  const record = (fields: Partial<AuditEventInput>): [AuditEvent, AuditEvent] => {
    assertEquals(audit.report({ kind: "login", outcome: "success", ...fields }), undefined);
    const [event, exact] = [sink.events.at(-1), plain.events.at(-1)];
    assert(event !== undefined && exact !== undefined);
    return [event, exact];
  };
  return { audit, sink, plain, record };
}

Deno.test("report() gives a sink of plain identifiers what was said, only bounded", () => {
  const { audit, record } = recorder();
  const names = ["sid=eve", "bearer:eve", "token:eve", "eve\ud800", "sk_live_51HabcABC123def", JWT];
  const before = audit.stats().redacted;
  for (const name of names) {
    const [, exact] = record({
      principal: name,
      source: { address: name, port: 1, confidence: "peer" },
    });
    assertEquals(exact.principal, name);
    assertEquals(exact.source, { address: name, port: 1, confidence: "peer" });
    assert(Object.isFrozen(exact) && Object.isFrozen(exact.source));
  }
  assertEquals(audit.stats().redacted, before + 6);
  const [, long] = record({ principal: "p".repeat(3000) });
  assertEquals(long.principal, `${"p".repeat(2048)}…[+952]`);
  // Where nothing is hidden, there is but one event.
  const seen: AuditEvent[] = [];
  const watch = (name: string, plainIdentifiers: boolean) =>
    functionSink(name, (event) => void seen.push(event), { plainIdentifiers });
  const same = new AuditLogger({ sinks: [watch("a", false), watch("b", true)] });
  same.report({ kind: "login", outcome: "success", principal: "alice" });
  assertStrictEquals(seen[0], seen[1]);
});

Deno.test("report() redacts of an identifier only what is sure to be a secret, and keeps it apart", () => {
  const { record } = recorder();
  const shown = (principal: string) => {
    const [event] = record({ principal, source: { address: principal, confidence: "claimed" } });
    assertEquals(event.source?.address, event.principal);
    return event.principal ?? "";
  };
  for (const name of ["sid=eve", "token:eve", "ops+pin:7@x.org", "cookie=a", "password=eve"]) {
    assertEquals(shown(name), name);
  }
  const secrets: [string, RegExp][] = [
    [JWT, /^\[redacted [0-9a-f]{12}\]$/],
    ["sk_live_51HabcABC123def", /^sk_live_\[redacted [0-9a-f]{12}\]$/],
    ["bearer:eve", /^bearer:\[redacted [0-9a-f]{12}\]$/],
    ["eve\ud800", /^eve\ufffd\[[0-9a-f]{12}\]$/],
  ];
  const seen = new Set<string>();
  for (const [name, form] of secrets) {
    for (const principal of [name, name.replace(/.$/, "\ud801"), `${name}x`]) {
      const first = shown(principal);
      assertEquals(shown(principal), first);
      seen.add(first);
    }
    assertMatch(shown(name), form);
    // Under a random key: nobody can test guesses, and no two logs can be joined.
    assert(recorder().record({ principal: name })[0].principal !== shown(name));
  }
  assertEquals(seen.size, 12);
});

Deno.test("an alert blocks whoever did it, whatever the name looks like", async () => {
  for (const name of ["sid=eve", "token:eve", "sk_live_51HabcABC123def", "eve\ud800"]) {
    using blocks = new BlockList();
    await using alerts = createAlerts({
      rules: [{
        name: "abuse",
        when: { kind: "file.read", outcome: "denied" },
        threshold: 2,
        withinSeconds: 60,
        by: "principal",
        then: [blockAction(blocks)],
      }],
    });
    const audit = new AuditLogger({ sinks: [alerts.sink] });
    for (let at = 0; at < 2; at++) {
      audit.report({
        kind: "file.read",
        outcome: "denied",
        principal: name,
        principalConfidence: "verified",
      });
    }
    await alerts.flush();
    assert(blocks.isBlocked({ principal: name }) !== undefined, name);
    assertEquals(
      blocks.isBlocked({ principal: name.replace("eve", "bob").slice(0, -1) }),
      undefined,
    );
  }
});

Deno.test("report() keeps resources apart, and redacts of URLs their query and user only", () => {
  const { record } = recorder();
  const shown = (resource: string, kind = "http.request") =>
    record({ kind, resource })[0].resource ?? "";
  const kept = [
    "cookie=/payroll/2026.xlsx",
    "cookie=/holiday.jpg",
    "token=/../../../etc/shadow",
    "password: a.md",
    "https://api.example/token=1/a.md?page=2",
  ];
  for (const resource of kept) {
    for (const kind of ["file.read", "http.request", "app.read"]) {
      assertEquals(shown(resource, kind), resource);
    }
  }
  // A name of a file has no query, and may have anything else.
  const path = "a?token=/../../../etc/shadow";
  assertEquals(shown(path, "file.read"), path);
  assertEquals(shown("https://h/?token=../x", "file.read"), "https://h/?token=../x");

  const mark = "\\[redacted [0-9a-f]{12}\\]";
  const redacted: [string, string][] = [
    ["/cb?code=abc&page=2", `/cb\\?code=${mark}&page=2`],
    ["/cb?q=1&key='; DROP TABLE users--", `/cb\\?q=1&key=${mark}`],
    ["/cb#access_token=abc", `/cb#access_token=${mark}`],
    ["https://bob:hunter2@example.com/a", `https://bob:${mark}@example\\.com/a`],
    [`/reset/${JWT}`, `/reset/${mark}`],
  ];
  for (const [resource, form] of redacted) {
    assertMatch(shown(resource), new RegExp(`^${form}$`), resource);
    assert(shown(resource) !== shown(resource.replace(/abc|hunter2|DROP|eyJz/, "$&x")), resource);
  }
  assertMatch(shown(`a/${JWT}`, "file.read"), new RegExp(`^a/${mark}$`));
});

Deno.test("report() says verified only of what this side knows", () => {
  const { audit, sink, record } = recorder({ principal: () => "alice" });
  const own = (fields: Record<string, unknown>) =>
    record({ outcome: "denied", principal: "victim", ...fields })[0].principalConfidence;
  const throwing = Object.defineProperty({}, "principalConfidence", {
    enumerable: true,
    get: () => {
      throw new Error("hostile");
    },
  });
  for (const outcome of ["denied", "error", "failure"]) assertEquals(own({ outcome }), "claimed");
  assertEquals(own({ outcome: "success" }), "verified");
  for (const said of ["unverified", "Verified", "", 1, null, true, {}]) {
    assertEquals(own({ principalConfidence: said, outcome: "success" }), "claimed");
  }
  assertEquals(own({ principalConfidence: "verified", outcome: "failure" }), "verified");
  audit.report(
    Object.defineProperties(
      { kind: "login", outcome: "success", principal: "victim" },
      Object.getOwnPropertyDescriptors(throwing),
    ) as AuditEventInput,
  );
  assertEquals(sink.events.at(-1)?.principalConfidence, "claimed");

  // What the surroundings say is known, except where nothing is.
  const scope = audit.with({ principal: "carol" });
  for (const reporter of [audit, scope]) {
    for (const outcome of ["success", "denied", "error", "failure"] as const) {
      reporter.report({ kind: "x", outcome });
      assertEquals(
        sink.events.at(-1)?.principalConfidence,
        outcome === "failure" ? "claimed" : "verified",
      );
    }
  }
  // What is known of one is nothing about another.
  const sure = audit.with({ principal: "carol", principalConfidence: "verified" });
  sure.report({ kind: "login", outcome: "denied", principal: "victim" });
  assertEquals(sink.events.at(-1)?.principalConfidence, "claimed");
  sure.report({ kind: "login", outcome: "failure" });
  assertEquals(sink.events.at(-1)?.principalConfidence, "verified");
});

Deno.test("no number of refused requests that name a victim blocks the victim elsewhere", async () => {
  const isBlocked = async (principalConfidence: "verified" | undefined) => {
    using blocks = new BlockList();
    await using alerts = createAlerts({
      rules: [{
        name: "logins",
        when: { kind: "app.login" },
        threshold: 3,
        withinSeconds: 60,
        by: "principal",
        then: [blockAction(blocks)],
      }],
    });
    const audit = new AuditLogger({ sinks: [alerts.sink] });
    const source = { address: "203.0.113.66", confidence: "peer" } as const;
    for (let at = 0; at < 5; at++) {
      audit.report({
        kind: "app.login",
        outcome: "denied",
        principal: "victim",
        source,
        ...(principalConfidence !== undefined && { principalConfidence }),
      });
    }
    await alerts.flush();
    return blocks.isBlocked({ principal: "victim", source: "198.51.100.1" }) !== undefined;
  };
  // Control: that of a principal who was verified does.
  assertEquals([await isBlocked("verified"), await isBlocked(undefined)], [true, false]);
});

Deno.test("report() says that a callback failed to tell who it was", () => {
  const fail = () => {
    throw new Error("no context");
  };
  const { record } = recorder({ principal: fail, source: fail });
  const [event] = record({ kind: "file.read" });
  assertEquals([event.principal, event.principalConfidence], ["[unreadable]", "claimed"]);
  assertEquals(event.source, { address: "[unreadable]", confidence: "claimed" });
  const nobody = recorder({ principal: () => undefined, source: () => undefined });
  const [other] = nobody.record({ kind: "file.read" });
  assertEquals(["principal" in other, "source" in other], [false, false]);
});

Deno.test("report() keeps nothing of a large text that what it records is a slice of", async () => {
  const program = `
    import { AuditLogger } from "./src/events/audit_logger.ts";
    import { memorySink } from "./src/events/memory_sink.ts";
    const slices = Deno.args[0] === "slices" ? [] : undefined;
    const sink = memorySink({ plainIdentifiers: true });
    const audit = new AuditLogger({ sinks: [sink] });
    const decoder = new TextDecoder();
    for (let at = 0; at < 20; at++) {
      const text = decoder.decode(new Uint8Array(4_000_000).fill(97));
      const part = text.slice(at, at + 26);
      const member = { [text.slice(at, at + 30)]: text.slice(at, at + 13) };
      if (slices) slices.push(part);
      else {
        const source = { address: part, confidence: "claimed" };
        const texts = { principal: part, resource: part, reason: part, operation: part, code: part };
        const ids = { correlationId: part, clientCorrelationId: part };
        audit.report({ kind: part, outcome: "success", source, ...texts, ...ids, details: member });
      }
    }
    gc();
    const kept = Deno.memoryUsage().heapUsed;
    if ((slices ?? sink.events).length !== 20) throw new Error();
    console.log(kept);`;
  const directory = await Deno.makeTempDir();
  try {
    const root = new URL("../../", import.meta.url);
    const file = `${directory}/memory.ts`;
    await Deno.writeTextFile(file, program.replaceAll("./src/", new URL("src/", root).href));
    const heapUsed = async (how: string) => {
      const { success, stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-check",
          "--v8-flags=--expose-gc",
          `--config=${decodeURIComponent(new URL("deno.json", root).pathname)}`,
          file,
          how,
        ],
        stdin: "null",
        stderr: "inherit",
      }).output();
      assert(success);
      return Number(new TextDecoder().decode(stdout));
    };
    const [slices, events] = await Promise.all([heapUsed("slices"), heapUsed("events")]);
    // Control: slices keep the whole texts, 80 MB.
    assertLess(60_000_000, slices);
    assertLess(events, 30_000_000);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("success() and its like end nothing when nobody awaits them", async () => {
  const unhandled: unknown[] = [];
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", note);
  try {
    const inSink: AuditLogger = new AuditLogger({
      sinks: [functionSink("x", () => void inSink.success("sink.wrote"))],
    });
    await inSink.success("file.read");
    const inCallback: AuditLogger = new AuditLogger({
      sinks: [memorySink()],
      principal: () => {
        inCallback.with({}).failure("context.missing");
        return undefined;
      },
    });
    await inCallback.denied("file.read");
    await inCallback.close();
    inCallback.error("late");
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(unhandled, []);
    assertEquals([inSink.stats().lost, inCallback.stats().lost], [1, 2]);
    // Control: a rejection that nobody looks at is seen.
    const bare = Promise.reject(new Error("bare"));
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(unhandled.length, 1);
    await bare.catch(() => {});
  } finally {
    globalThis.removeEventListener("unhandledrejection", note);
  }
});

Deno.test("names that are recorded alike stay apart, in linear time", () => {
  const { record } = recorder({ maxMembers: 10_000, maxDetailsBytes: 1_048_576 });
  const tokens = Array.from({ length: 10_000 }, (_, at) => [`ghp_${"aB3".repeat(9)}${at}`, at]);
  const before = performance.now();
  const names = Object.keys(record({ details: Object.fromEntries(tokens) })[0].details);
  assertLess(performance.now() - before, 2000);
  assertEquals(names.slice(0, 3), ["ghp_[redacted]", "ghp_[redacted]'2", "ghp_[redacted]'3"]);
  assertEquals(names.length, 10_000);
  assertFalse(names.includes("…"));
  // Also where an attacker has named members as if they had been numbered.
  const [event] = record({
    details: { "ghp_[redacted]'2": 0, "ghp_[redacted]": 1, [`ghp_${"aB3".repeat(9)}`]: 2 },
  });
  assertEquals(event.details, {
    "ghp_[redacted]'2": 0,
    "ghp_[redacted]": 1,
    "ghp_[redacted]'3": 2,
  });
});
