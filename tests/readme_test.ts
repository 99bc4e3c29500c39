import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCli } from "../src/supply_chain/cli.ts";
import { parsePolicy } from "../src/supply_chain/policy/policy_file.ts";
import denoJson from "../deno.json" with { type: "json" };

const readme = Deno.readTextFileSync(new URL("../README.md", import.meta.url));

Deno.test("the policy in the README is one that the auditor takes", async () => {
  const [, text] = readme.match(/```toml\n(.*?)```/s)!;
  const policy = await parsePolicy(text!, { path: "deny.toml" });
  assertEquals(policy.notes, []);
  assertEquals(policy.advisories.ignore.length, 1);
  assertEquals(policy.bans.deny.length, 1);
});

Deno.test("every command and option in the README is one that the auditor has", async () => {
  let help = "";
  await runCli(["--help"], { out: (text) => help += text, error: () => {} });
  const used = [...readme.matchAll(/audit ((?:--)?[a-z-]+)/g)].map(([, word]) => word!);
  const commands = used.filter((word) =>
    /^(?:--|why$|list$|explain$|fetch$|init$|baseline$)/.test(word)
  );
  assertEquals(commands.length >= 6, true);
  for (const word of commands) assertStringIncludes(help, word);
});

Deno.test("the two commands in the README are tasks", () => {
  for (const [, task] of readme.matchAll(/npx --yes deno@[\d.]+ task ([\w:]+)/g)) {
    assertEquals(Object.hasOwn(denoJson.tasks, task!), true, task);
  }
});
