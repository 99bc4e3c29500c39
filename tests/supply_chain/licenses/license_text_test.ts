import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import deprecatedIds from "spdx-license-ids/deprecated.json" with { type: "json" };
import list from "spdx-license-list/full.js";
import {
  LicenseTexts,
  MAX_LICENSE_TEXT_LENGTH,
  normalizeLicenseText,
} from "../../../src/supply_chain/licenses/license_text.ts";
import { COMMON_LICENSES, loadCommonTexts } from "../../../src/supply_chain/licenses/_texts.ts";

const texts = new LicenseTexts();

/** A text as a package would carry it: filled in, wrapped, with a title. */
function asInPackage(license: string): string {
  const filled = list[license]!.licenseText
    .replace(/<year>|YEAR/gi, "2024").replace(/<(?:copyright holders?|owner)>/gi, "Jane Doe");
  return `\ufeffThe ${license} License\r\n\r\n` + filled.replace(/(.{50,70}) /g, "$1\r\n  ");
}

Deno.test("match() tells licences apart that resemble each other", async () => {
  const ids = ["MIT", "MIT-0", "X11", "JSON", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause"];
  ids.push("BSD-4-Clause", "BSD-3-Clause-Clear", "Apache-2.0", "ECL-2.0", "MPL-1.1", "MPL-2.0");
  ids.push("GPL-2.0-only", "GPL-3.0-only", "LGPL-2.0-only", "LGPL-2.1-only", "LGPL-3.0-only");
  ids.push("AGPL-3.0-only", "SSPL-1.0", "Unlicense", "CC0-1.0", "CC-BY-4.0", "CC-BY-NC-4.0");
  ids.push("BlueOak-1.0.0", "Zlib", "WTFPL", "BSL-1.0", "BUSL-1.1", "EPL-2.0", "Artistic-2.0");
  for (const id of ids) {
    const match = await texts.match(asInPackage(id));
    assertEquals(match?.license, id);
    assertGreater(match!.confidence, 0.95, id);
  }
});

Deno.test("match() answers with every licence of the SPDX list that has a text of its own", async () => {
  const of = (id: string) => normalizeLicenseText(list[id]!.licenseText);
  const current = Object.keys(list).filter((id) => !/\+$/.test(id) && !deprecatedIds.includes(id));
  const owners = new Map<string, string[]>();
  for (const id of current) owners.set(of(id), [...owners.get(of(id)) ?? [], id]);
  let checked = 0;
  for (const [words, ids] of owners) {
    if (words.length < 200 || checked++ % 7 !== 0) continue;
    const match = await texts.match(list[ids[0]!]!.licenseText);
    assert(ids.includes(match!.license), `${ids}: ${match?.license}`);
    assertEquals(match?.confidence, 1);
  }
  assertGreater(checked, 500);
});

Deno.test("match() takes the id that grants less where a text stands for several", async () => {
  assertEquals((await texts.match(list["GPL-3.0-or-later"]!.licenseText))?.license, "GPL-3.0-only");
  assertEquals((await texts.match(list["LGPL-2.1+"]!.licenseText))?.license, "LGPL-2.1-only");
  assertEquals((await texts.match(list["MPL-2.0"]!.licenseText))?.license, "MPL-2.0");
});

Deno.test("match() knows a licence without its appendix", async () => {
  const apache = list["Apache-2.0"]!.licenseText;
  const [body] = apache.split("APPENDIX:");
  assertLess(body!.length, apache.length - 500);
  assertEquals(await texts.match(body!), { license: "Apache-2.0", confidence: 1 });
  // SPDX prints the GPL below the LGPL; the file that packages carry ends before it.
  const lgpl = list["LGPL-3.0-only"]!.licenseText;
  const alone = lgpl.slice(0, lgpl.indexOf("GNU GENERAL PUBLIC LICENSE\nV", 1));
  assertEquals((await texts.match(alone))?.license, "LGPL-3.0-only");
});

Deno.test("match() does not hear the title or the name of the holder", async () => {
  const [, body] = list["MIT"]!.licenseText.split("<copyright holders>");
  for (
    const head of [
      "MIT License\n\nCopyright (c) 2020 Jane Doe <jane@example.com> (https://example.com)\n",
      "The MIT License (MIT)\n=====\n© 2013-present Acme, Inc. and its affiliates\n",
      "# MIT License\nCopyright 2019, 2020 Acme\nAll rights reserved.\n",
      "",
    ]
  ) {
    assertEquals(await texts.match(head + body!), { license: "MIT", confidence: 1 }, head);
  }
});

Deno.test("match() lowers its confidence as words are changed", async () => {
  const words = list["MIT"]!.licenseText.split(" ");
  const shares = [0, 0.05, 0.1, 0.15];
  const confidences = await Promise.all(shares.map(async (share) => {
    const changed = words.map((word, index) => (index * 0.618) % 1 < share ? "changed" : word);
    return (await texts.match(changed.join(" ")))?.confidence ?? 0;
  }));
  assertEquals(confidences[0], 1);
  for (let i = 1; i < shares.length; i++) assertLess(confidences[i]!, confidences[i - 1]! - 0.05);
});

Deno.test("match() is not sure of a licence to which a restriction was added", async () => {
  const apache = list["Apache-2.0"]!.licenseText;
  const plain = await texts.match(`${apache}\nThis software was written with care.`);
  assertGreater(plain!.confidence, 0.95);
  for (
    const rider of [
      '"Commons Clause" License Condition v1.0: the grant of rights under the License will not ' +
      "include, and the License does not grant to you, the right to Sell the Software.",
      "It may be used for non-commercial purposes only.",
      "The license does not include the right to sell the Software.",
    ]
  ) {
    const match = await texts.match(`${apache}\n${rider}`);
    assertEquals(match?.license, "Apache-2.0");
    assertLess(match!.confidence, 0.8, rider);
  }
  // Where the licence itself says so, nothing was added.
  assertEquals((await texts.match(list["CC-BY-NC-4.0"]!.licenseText))?.confidence, 1);
});

Deno.test("match() is not sure of a licence to which a sentence was added", async () => {
  const mit = list["MIT"]!.licenseText;
  const words = "production use requires one paid subscription which Acme sells for money per year";
  const additions = [
    "Additional terms: use in production requires a paid subscription from Acme. You may not offer " +
    "the software as a service.",
    // Words that the licence has do not hide what stands between them.
    "You must not use the Software in production without a subscription to the Software from Acme",
    words.split(" ").slice(0, 12).join(" "),
  ];
  for (const text of additions) {
    for (
      const file of [
        `${mit}\n${text}`,
        `${text}\n\n${mit}`,
        mit.replace("\n\nTHE", `\n${text}\nTHE`),
      ]
    ) {
      assert(file.includes(text));
      const match = await texts.match(file);
      assertEquals(match?.license, "MIT");
      assertLess(match!.confidence, 0.8, file);
    }
  }
  const short = words.split(" ").slice(0, 11).join(" ");
  for (const file of [`${mit}\n${short}`, `${short}\n${mit}`]) {
    assertGreater((await texts.match(file))!.confidence, 0.9);
  }
});

Deno.test("match() does not take who wrote it, addresses or comments for an addition", async () => {
  const mit = list["MIT"]!.licenseText.replace(/Copyright.*\n/, "");
  const heads = [
    "Original code Copyright Jane Doe <jane@example.com>\nPort to X Copyright John Doe",
    "<!-- This file is written by a program for all of our packages; do not edit it here. -->",
    "https://example.com/a/b/c/d/e/f/g/h/i/j/k/l/m/n",
  ];
  for (const head of heads) {
    const match = await texts.match(`${head}\n\n${mit}\n${head}\n`);
    assertEquals(match?.license, "MIT");
    assertGreater(match!.confidence, 0.98, head);
  }
});

Deno.test("match() knows no licence in other text", async () => {
  for (
    const text of [
      "",
      "   \n\n",
      "one",
      "You may not use this software.",
      "Lorem ipsum dolor sit amet. ".repeat(60),
      "ライセンス",
    ]
  ) {
    assertEquals(await texts.match(text), undefined, text.slice(0, 30));
  }
});

Deno.test("match() reads texts up to its limit and none beyond", async () => {
  const { licenseText } = list["GPL-3.0-only"]!;
  const filled = (length: number) => licenseText + "\n".repeat(length - licenseText.length);
  const match = await texts.match(filled(MAX_LICENSE_TEXT_LENGTH));
  assertEquals(match?.license, "GPL-3.0-only");
  assertEquals(await texts.match(filled(MAX_LICENSE_TEXT_LENGTH + 1)), undefined);
});

Deno.test("match() ends soon whatever the text", async () => {
  const start = performance.now();
  const size = MAX_LICENSE_TEXT_LENGTH;
  for (
    const unit of [
      " ",
      "mit",
      "(mit)",
      "a) ",
      "copyright ",
      "* ",
      "ⅷ",
      "\n",
      "permission is hereby ",
    ]
  ) {
    await texts.match(unit.repeat(Math.floor(size / unit.length)));
  }
  assertLess(performance.now() - start, 10_000);
});

Deno.test("every licence that resembles a common one by 0.9 is compared with it at once", async () => {
  const pairsOf = (text: string) => {
    const words = normalizeLicenseText(text).split(" ");
    const pairs = new Map<string, number>();
    for (let i = 1; i < words.length; i++) {
      const pair = `${words[i - 1]} ${words[i]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    return { pairs, size: words.length - 1 };
  };
  const common = await loadCommonTexts();
  const loaded = new Set(common.map(([id]) => id));
  const near: string[] = [];
  for (const [id, text] of common.filter(([id]) => COMMON_LICENSES.has(id))) {
    const one = pairsOf(text);
    for (const [other, { licenseText }] of Object.entries(list)) {
      if (loaded.has(other) || deprecatedIds.includes(other)) continue;
      if (licenseText.length > text.length * 1.5 || text.length > licenseText.length * 1.5) {
        continue;
      }
      const two = pairsOf(licenseText);
      let shared = 0;
      for (const [pair, count] of two.pairs) shared += Math.min(count, one.pairs.get(pair) ?? 0);
      if ((2 * shared) / (one.size + two.size) >= 0.9) near.push(`${other} ~ ${id}`);
    }
  }
  assertEquals(near, []);
});
