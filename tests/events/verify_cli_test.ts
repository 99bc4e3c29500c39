import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runVerifyCli } from "../../src/events/_verify_cli.ts";
import { nextEpochKey } from "../../src/events/_epochs.ts";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import { generateEpochKey } from "../../src/events/epoch_keys.ts";
import { framing, Log, reseal, withFiles } from "./_audit_logs.ts";

const { signer, verifierKey } = await generateAuditLogKeys("log.example.com");
const log = new Log({ signer }).addMany(4);
const note = await log.seal();
log.addMany(2);

const files = {
  "a.jsonl": log.lines.slice(0, 3),
  "b.jsonl": log.lines.slice(3),
  "c.txt": "not a log",
  "note": note,
};

async function run(
  ...args: readonly string[]
): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ["", ""];
  const code = await runVerifyCli(args, {
    out: (text) => out += text,
    error: (text) => error += text,
  });
  return { code, out, error };
}

Deno.test("verify exits with 0 when a key stands behind the log", async () => {
  await withFiles(files, async (path, folder) => {
    for (const where of [[path("b.jsonl"), path("a.jsonl")], [folder]]) {
      const { code, out, error } = await run(
        ...where,
        "--key",
        verifierKey,
        `--checkpoint=${path("note")}`,
      );
      assertEquals([code, error], [0, ""]);
      assertMatch(out, /^VERIFIED: 7 records in 2 files, 1 checkpoint\.\n.*records 5-7 yet/);
    }
  });
});

Deno.test("verify exits with 3 when no key was given", async () => {
  await withFiles(files, async (_, folder) => {
    const { code, out } = await run(folder);
    assertEquals(code, 3);
    assertMatch(out, /^UNPROVEN: 7 records/);
    assertStringIncludes(out, "--key");
  });
});

Deno.test("verify exits with 1 and names the line when the log was changed", async () => {
  await withFiles({ "a.jsonl": reseal(log.lines, 2, framing) }, async (path) => {
    const { code, out } = await run(path("a.jsonl"), "--key", verifierKey);
    assertEquals(code, 1);
    assertStringIncludes(out, "TAMPERED resealed: ");
    assertStringIncludes(out, "a.jsonl:5\n");
    assert(out.split("\n").length <= 9);
    const { ok, failure } = JSON.parse(
      (await run(path("a.jsonl"), "--json", "--key", verifierKey)).out,
    );
    assertEquals([ok, failure.cause, failure.line], [false, "resealed", 5]);
  });
});

Deno.test("verify exits with 1 when the end is missing, and with 2 when the checkpoint is none", async () => {
  await withFiles(files, async (path) => {
    const args = [path("a.jsonl"), "--key", verifierKey, "--checkpoint"];
    const { code, out } = await run(...args, path("note"));
    assertEquals(code, 1);
    assertStringIncludes(out, "TAMPERED truncated: ");
    assertEquals((await run(...args, path("c.txt"))).code, 2);
  });
});

Deno.test("verify reads the key of the first epoch from a file, as bytes or base64", async () => {
  const key = generateEpochKey();
  const state = { epoch: 0, key };
  const epochs = new Log({
    epochKeys: { load: () => Promise.resolve(state), save: () => Promise.resolve() },
  }).addMany(2);
  await epochs.seal();
  const all = { "a.jsonl": epochs.lines, raw: key, text: `${key.toBase64()}\n`, short: "AAAA" };
  await withFiles(all, async (path) => {
    for (
      const [name, expected] of [["raw", 0], ["text", 0], ["short", 2], ["a.jsonl", 2]] as const
    ) {
      const { code } = await run(path("a.jsonl"), "--epoch-key-file", path(name));
      assertEquals(code, expected, name);
    }
  });
});

Deno.test("verify takes several checkpoints, and wants the given origin", async () => {
  const other = new Log({ signer, origin: "other" }, "w2").addMany(3);
  const all = { ...files, "other": await other.seal(), "d.jsonl": other.lines };
  await withFiles(all, async (path, folder) => {
    const args = [
      "--key",
      verifierKey,
      "--checkpoint",
      path("note"),
      "--checkpoint",
      path("other"),
    ];
    assertEquals((await run(folder, ...args)).code, 0);
    const { code, out } = await run(path("a.jsonl"), path("b.jsonl"), ...args);
    assertEquals(code, 1);
    assertStringIncludes(out, "TAMPERED truncated: ");
    const origin = ["--key", verifierKey, "--origin", "log.example.com"];
    assertEquals((await run(path("a.jsonl"), path("b.jsonl"), ...origin)).code, 0);
    assertEquals((await run(path("d.jsonl"), ...origin)).code, 1);
  });
});

Deno.test("verify says from which epoch on a log is attested", async () => {
  const first = generateEpochKey();
  let state = { epoch: 3, key: [1, 2, 3].reduce<Uint8Array>((key) => nextEpochKey(key), first) };
  const epochs = new Log({
    epochKeys: {
      load: () => Promise.resolve(state),
      save: (next) => Promise.resolve(void (state = { ...next })),
    },
  }).add({ kind: "audit.start", details: { continues: false } });
  await epochs.seal();
  await withFiles({ "a.jsonl": epochs.lines, key: first }, async (path) => {
    const args = [path("a.jsonl"), "--epoch-key-file", path("key")];
    const { code, out } = await run(...args);
    assertEquals(code, 0);
    assertStringIncludes(out, "attested from epoch 3 on");
    const few = await run(...args, "--max-skipped-epochs", "2");
    assertEquals(few.code, 1);
    assertStringIncludes(few.out, "TAMPERED too-many-epochs: ");
  });
});

/** Arguments that are wrong, and what is said of them. */
const wrong: readonly [readonly string[], string][] = [
  [[], "No file is given"],
  [["--key"], "--key needs a value"],
  [["a", "--kee", "x"], "no option --kee"],
  [["a", "--json=1"], "no option --json=1"],
  [["a", "--origin", "b", "--origin=c"], "given twice"],
  [["a", "--max-skipped-epochs", "1e9"], "needs a number"],
  [["/nonexistent/a.jsonl"], "cannot be read"],
  [["--", "--key"], "cannot be read"],
  [["a", "--checkpoint", "/nonexistent"], "cannot be read"],
  [["\x1b[2J"], "\\u001b[2J"],
];

Deno.test("verify exits with 2 and says why when it could not run", async () => {
  for (const [args, said] of wrong) {
    const { code, out, error } = await run(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertStringIncludes(error, said);
    // deno-lint-ignore no-control-regex -- it is what must not be there.
    assert(!/[\0-\x09\x0b-\x1f\x7f-\x9f]/.test(error));
  }
  await withFiles({ "c.txt": "" }, async (path, folder) => {
    assertEquals((await run(folder)).code, 2);
    assertEquals((await run(path("c.txt"), "--key", "x")).code, 2);
  });
});

Deno.test("verify prints nothing of a hostile log or name raw", async () => {
  const name = Deno.build.os === "windows" ? "a.jsonl" : "a\x1b]0;pwn\x07\u202e.jsonl";
  const hostile = `{"kind":"\x9b31m\u202e"}\n\x1b[2J`;
  await withFiles({ [name]: hostile }, async (_, folder) => {
    for (const args of [[folder], [folder, "--json"]]) {
      const { code, out } = await run(...args);
      assertEquals(code, 1);
      assert(/^[\n -~]*$/.test(out), JSON.stringify(out));
    }
  });
});

Deno.test("verify --help says what there is", async () => {
  const { code, out } = await run("--help");
  assertEquals(code, 0);
  const options = ["--key", "--checkpoint", "--epoch-key-file", "--json", "--origin"];
  for (const option of [...options, "--max-skipped-epochs"]) {
    assertStringIncludes(out, option);
  }
});

Deno.test("verify runs as a program that may only read", async () => {
  await withFiles(files, async (_, folder) => {
    const main = new URL("../../src/events/verify.ts", import.meta.url).pathname;
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-prompt", "--allow-read", main, folder, "--key", verifierKey],
    }).output();
    assertEquals(code, 0);
    assertMatch(new TextDecoder().decode(stdout), /^VERIFIED: 7 records/);
  });
});
