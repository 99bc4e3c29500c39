import { assert, assertEquals } from "@std/assert";
import { builtInPolicy, parsePolicy } from "../../../src/supply_chain/policy/policy_file.ts";
import {
  BUILT_IN_POLICY,
  PERMISSIVE_LICENSES,
} from "../../../src/supply_chain/policy/default_policy.ts";

Deno.test("BUILT_IN_POLICY is a policy without notes", async () => {
  const policy = await builtInPolicy();
  assertEquals([policy.path, policy.notes], [null, []]);
  assertEquals(policy.licenses.allow.map(({ text }) => text), PERMISSIVE_LICENSES);
  const asFile = await parsePolicy(BUILT_IN_POLICY, { path: "deny.toml" });
  assertEquals({ ...asFile, path: null }, policy);
});

Deno.test("BUILT_IN_POLICY fails for danger and is quiet about its own lists", async () => {
  const { advisories, licenses, bans, sources, integrity } = await builtInPolicy();
  assertEquals([advisories.vulnerability, advisories.incomplete], ["deny", "deny"]);
  assertEquals([integrity.missingLock, integrity.missingHash], ["deny", "deny"]);
  assertEquals([licenses.unlicensed, bans.multipleVersions], ["warn", "allow"]);
  for (
    const level of [
      advisories.unusedIgnoredAdvisory,
      licenses.unusedAllowedLicense,
      licenses.unusedLicenseException,
      bans.unusedSkip,
      sources.unusedAllowedSource,
      sources.unusedAllowedOrg,
    ]
  ) assertEquals(level, "allow");
  assert(!PERMISSIVE_LICENSES.some((id) => /GPL|MPL|EPL|CDDL/.test(id)));
});
