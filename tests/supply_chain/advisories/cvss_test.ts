import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { highestCvss, severityLevel } from "../../../src/supply_chain/advisories/cvss.ts";

const V31 = "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H";
const V40 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N";

Deno.test("highestCvss() computes base scores of every version", async () => {
  // Scores as FIRST's calculators give them.
  const table = [
    ["CVSS_V2", "AV:N/AC:M/Au:N/C:N/I:P/A:C", "2.0", 7.8],
    ["CVSS_V3", "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "3.0", 10],
    ["CVSS_V3", V31, "3.1", 7.2],
    ["CVSS_V4", V40, "4.0", 9.3],
  ] as const;
  for (const [type, score, version, expected] of table) {
    assertEquals(await highestCvss([{ type, score }]), { version, score: expected, vector: score });
  }
});

Deno.test("highestCvss() takes the highest of several", async () => {
  const severities = [
    { type: "CVSS_V3", score: V31 },
    { type: "CVSS_V4", score: V40 },
    { type: "CVSS_V2", score: "AV:L/AC:H/Au:M/C:N/I:N/A:P" },
    { type: "Ubuntu", score: "critical" },
  ];
  assertEquals((await highestCvss(severities))?.score, 9.3);
  assertEquals((await highestCvss(severities.reverse()))?.version, "4.0");
  assertEquals(await highestCvss([]), undefined);
});

Deno.test("highestCvss() takes the newest version of equal scores", async () => {
  const none = [
    { type: "CVSS_V3", score: "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N" },
    { type: "CVSS_V4", score: "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N" },
    { type: "CVSS_V3", score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N" },
  ];
  for (const severities of [none, none.toReversed()]) {
    const { version, score } = (await highestCvss(severities))!;
    assertEquals([version, score], ["4.0", 0]);
  }
});

Deno.test("highestCvss() leaves temporal and threat metrics out of the base score", async () => {
  assertEquals((await highestCvss([{ type: "CVSS_V3", score: `${V31}/E:U` }]))?.score, 7.2);
  assertEquals((await highestCvss([{ type: "CVSS_V4", score: `${V40}/E:U` }]))?.score, 9.3);
});

Deno.test("highestCvss() ignores vectors that are not valid", async () => {
  const bad = [
    ["CVSS_V3", "CVSS:3.1/AV:N"],
    ["CVSS_V3", ""],
    ["CVSS_V3", "9.8"],
    ["CVSS_V3", V31.replace("AV:N", "AV:Z")],
    ["CVSS_V3", `${V31}/__proto__:x`],
    // The milder of two would win.
    ["CVSS_V3", V31.replace("AV:N", "AV:N/AV:P")],
    ["CVSS_V3", V40],
    ["CVSS_V4", V31],
    ["CVSS_V4", "CVSS:4.0/AV:N"],
    ["CVSS_V3", V31.replace("3.1", "3.9")],
    ["CVSS_V3", V31 + "/E:U".repeat(200)],
    ["constructor", V31],
  ] as const;
  for (const [type, score] of bad) {
    assertEquals(await highestCvss([{ type, score }]), undefined, score);
  }
});

Deno.test("highestCvss() never throws on generated vectors", async () => {
  const metric = fc.tuple(
    fc.constantFrom("AV", "AC", "PR", "UI", "S", "C", "I", "A", "VC", "SC", "E", "toString"),
    fc.constantFrom("N", "L", "H", "U", "X", "Z", ""),
  ).map(([name, value]) => `${name}:${value}`);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("CVSS:3.1", "CVSS:4.0", "CVSS:3.0", "AV:N"),
      fc.array(metric, { maxLength: 14 }),
      fc.constantFrom("CVSS_V2", "CVSS_V3", "CVSS_V4"),
      async (prefix, metrics, type) => {
        const found = await highestCvss([{ type, score: [prefix, ...metrics].join("/") }]);
        if (found) assertEquals(found.score >= 0 && found.score <= 10, true);
      },
    ),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("severityLevel() follows the qualitative scale", () => {
  const table = [
    [0, "none"],
    [0.1, "low"],
    [3.9, "low"],
    [4, "medium"],
    [6.9, "medium"],
    [7, "high"],
    [8.9, "high"],
    [9, "critical"],
    [10, "critical"],
  ] as const;
  for (const [score, level] of table) assertEquals(severityLevel(score), level);
});
