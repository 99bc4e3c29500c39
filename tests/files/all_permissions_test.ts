import { assert, assertFalse, assertGreaterOrEqual } from "@std/assert";
import { ATTACKS } from "./_attacks.ts";
import { hasEveryPermission } from "./_backends.ts";

const ROOT = new URL("../../", import.meta.url);

/** What starts this again or is long, and what touches no file, to which permissions mean nothing. */
const IGNORED = [
  ...["all_permissions", "race", "_compiled_policy", "_path_locks", "_permits"],
  ...["lexical_cases", "resolve_within", "url_path"],
].map((name) => `tests/files/${name}_test.ts`);

const reason = Deno.build.os !== "linux"
  ? "fd-verified is for Linux"
  : hasEveryPermission
  ? "this process has every permission already"
  : undefined;
if (reason !== undefined) console.log(`skipped: the file layer with every permission (${reason})`);

// Deno lets only a process with every permission look into /proc, and the tests have fewer, so that
// nothing asks for more than it says. What a child reaches counts: it inherits DENO_COVERAGE_DIR.
Deno.test({
  name: "the tests of the file layer pass with every permission, fd-verified included",
  ignore: reason !== undefined,
  fn: async () => {
    const { success, stdout, stderr } = await new Deno.Command("deno", {
      args: [
        ...["test", "--allow-all", "--no-check", "--no-prompt"],
        ...["--sanitize-ops", "--sanitize-resources"],
        `--ignore=${IGNORED.join(",")}`,
        "tests/files",
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    const output = decoder.decode(stdout) + decoder.decode(stderr);
    assert(success, output);
    assertFalse(output.includes("skipped: fd-verified"), output);
    const passed = output.split("\n").filter((line) => /^fd-verified: .* ok \(/.test(line));
    assertGreaterOrEqual(passed.length, ATTACKS.length, output);
  },
});
