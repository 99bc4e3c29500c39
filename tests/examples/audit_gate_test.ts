import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { blocking } from "../../examples/audit_gate.ts";
import { audit } from "../../src/supply_chain/mod.ts";
import { SHA512, temporaryProject } from "../supply_chain/fixture.ts";

const record = (id: string, name: string, vector: string) => ({
  id,
  modified: "2026-11-01T00:00:00Z",
  severity: [{ type: "CVSS_V3", score: vector }],
  affected: [{
    package: { ecosystem: "npm", name },
    ranges: [{ type: "SEMVER", events: [{ introduced: "0" }] }],
  }],
});

Deno.test("the gate stops for malicious packages and critical advisories only", async () => {
  await using project = await temporaryProject({
    "deno.json": {},
    "deno.lock": {
      version: "5",
      npm: {
        "bad1@1.0.0": { integrity: SHA512 },
        "critical1@1.0.0": { integrity: SHA512 },
        "medium1@1.0.0": { integrity: SHA512 },
      },
    },
    "db/1.json": record("MAL-2026-1", "bad1", ""),
    "db/2.json": record("GHSA-1", "critical1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
    "db/3.json": record("GHSA-2", "medium1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"),
  });
  const { findings } = await audit({
    project: project.path,
    db: join(project.path, "db"),
    checks: ["advisories"],
    env: () => undefined,
  });
  assertEquals(findings.length, 3);
  assertEquals(blocking(findings).map(({ package: of }) => of?.name).sort(), ["bad1", "critical1"]);
});
