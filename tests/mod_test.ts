import { assertEquals, assertStringIncludes } from "@std/assert";
import * as mod from "@bartizan/security";
import { writeModules } from "./_runtime_modules.ts";

const ROOT = new URL("../", import.meta.url);

/** Every value that `@bartizan/security` exports; types are held by the type checker. */
const EXPORTS = [
  "AuditLogger",
  "BlockList",
  "ByteView",
  "DeadlinePolicy",
  "DpopError",
  "ECS_VERSION",
  "FileSecurityValidator",
  "Histogram",
  "IndexedDbKeyStore",
  "IsolatePool",
  "KeyedSemaphore",
  "KvKeyStore",
  "KvReplayStore",
  "MemoryKeyStore",
  "MemoryRateStore",
  "MemoryReplayStore",
  "MiB",
  "OCSF_VERSION",
  "RateKey",
  "RateLimiter",
  "RedisBlockStore",
  "RedisRateStore",
  "RedisReplayStore",
  "SecurityError",
  "Semaphore",
  "VirtualClock",
  "auditEventSchema",
  "blockAction",
  "byteView",
  "clientAddress",
  "closeIsolated",
  "consoleSink",
  "correlationOf",
  "createAlerts",
  "createAuditLogHandler",
  "createAuditLogSigner",
  "createClientAddress",
  "createDpopClient",
  "createDpopNonces",
  "createDpopSigner",
  "createDpopVerifier",
  "createIntrospectionValidator",
  "createJwtTokenValidator",
  "createKeyRotation",
  "createMetrics",
  "createVerifierKey",
  "decompressBounded",
  "decompressStreamBounded",
  "defaultSeverity",
  "epochKeyFile",
  "fromIoredis",
  "fromIovalkey",
  "fromRedis",
  "functionSink",
  "generateAuditLogKeys",
  "generateDpopKeyPair",
  "generateEpochKey",
  "jsonLinesSink",
  "jwkThumbprint",
  "limitBytes",
  "memorySink",
  "metricsHandler",
  "openNote",
  "orphans",
  "otelSink",
  "parseJsonBounded",
  "parseJsonText",
  "pathFromFileUrl",
  "pathFromUrlPathname",
  "rateLimitHeaders",
  "readBounded",
  "registerOtelMetrics",
  "remainingMs",
  "requiredPermissions",
  "resolveWithin",
  "runIsolated",
  "sanitizingFormatter",
  "signNote",
  "silentReporter",
  "stdLogSink",
  "toCef",
  "toEcs",
  "toOcsf",
  "toOtelAttributes",
  "verifyAuditLog",
  "verifyDpopProof",
  "webhookAction",
  "webhookSink",
  "withDeadline",
];

Deno.test("mod.ts exports these names and no other", () => {
  assertEquals(Object.keys(mod).sort(), [...EXPORTS].sort());
});

async function run(
  command: string,
  args: readonly string[],
): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("mod.ts loads when everything is denied, and says nothing", async () => {
  const denied = ["read", "write", "net", "env", "run", "sys", "ffi"].map((kind) =>
    `--deny-${kind}`
  );
  const load = (specifier: string) =>
    run("deno", ["run", "-q", "--no-prompt", ...denied, specifier]);
  assertEquals(await load("mod.ts"), { success: true, stdout: "", stderr: "" });
  // The same flags stop a module that reads when it is loaded.
  const control = await load('data:text/javascript,Deno.readTextFileSync("deno.json")');
  assertEquals(control.success, false);
  assertStringIncludes(control.stderr, "NotCapable");
});

const hasNode = await run("node", ["--version"]).then(({ success }) => success, () => false);
if (!hasNode) console.log("skipped: mod.ts loads in Node (there is no Node)");

Deno.test({
  name: "mod.ts loads in Node, where there is no Deno",
  ignore: !hasNode,
  fn: loadInNode,
});

async function loadInNode(): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mod_test_" });
  try {
    await writeModules("mod.ts", folder);
    await Deno.writeTextFile(`${folder}/package.json`, '{ "type": "module" }');
    await Deno.writeTextFile(
      `${folder}/main.js`,
      `import * as mod from "./mod.js";
       console.log(typeof Deno, Object.keys(mod).sort().join());
       console.log(new mod.SecurityError("usage", "no").code);
       await mod.FileSecurityValidator.open({ roots: ["/"] }).catch((e) => console.log(e.code));`,
    );
    const node = await run("node", [`${folder}/main.js`]);
    assertEquals(node.stderr, "");
    assertEquals(
      node.stdout,
      `undefined ${[...EXPORTS].sort().join()}\nusage\nprotection-unavailable\n`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
