import { assertEquals } from "@std/assert";
import { groupOf } from "../../../src/supply_chain/project/remote_group.ts";

const commit = "04a1ce209116f158b5ef1658b957bdb109db68ed";

Deno.test("groupOf() names the module, package or repository that an address belongs to", () => {
  // Address, name and version of the group, whether it is pinned, the npm package or repository.
  const cases: readonly (readonly [string, string, boolean, string?])[] = [
    ["https://deno.land/std@0.224.0/path/mod.ts", "deno.land/std 0.224.0", true],
    ["https://deno.land/std/path/mod.ts", "deno.land/std ", false],
    ["https://deno.land/x/oak@v12.6.1/mod.ts", "deno.land/x/oak v12.6.1", true],
    ["https://deno.land/x/oak/mod.ts", "deno.land/x/oak ", false],
    ["https://cdn.deno.land/oak/versions/v12.6.1/raw/mod.ts", "deno.land/x/oak v12.6.1", true],
    ["https://esm.sh/lodash@4.17.21", "esm.sh/lodash 4.17.21", true, "lodash@4.17.21"],
    ["https://esm.sh/v135/@a/b@1.0.0/es2022/b.mjs", "esm.sh/@a/b 1.0.0", true, "@a/b@1.0.0"],
    ["https://esm.sh/stable/react@18.2.0&dev/x", "esm.sh/react 18.2.0", true, "react@18.2.0"],
    ["https://esm.sh/*react@18.2.0?deps=x", "esm.sh/react 18.2.0", true, "react@18.2.0"],
    ["https://esm.sh/react@^18", "esm.sh/react ^18", false],
    ["https://esm.sh/react", "esm.sh/react ", false],
    ["https://esm.sh/gh/o/r@v1.0.0/x.ts", "github.com/o/r v1.0.0", true, "github.com:o/r"],
    ["https://esm.sh/jsr/@std/path@1.0.0", "jsr.io/@std/path 1.0.0", true],
    ["https://unpkg.com/lodash@4.17.21/x.js", "unpkg.com/lodash 4.17.21", true, "lodash@4.17.21"],
    ["https://cdn.jsdelivr.net/npm/a@4/x.js", "cdn.jsdelivr.net/a 4", false],
    ["https://cdn.jsdelivr.net/gh/o/r@main/x", "github.com/o/r main", false, "github.com:o/r"],
    [
      "https://cdn.skypack.dev/-/@vue/shared@v3.2.20-rSn1pIAa384CFTReCVDw/dist=es2019/x.js",
      "cdn.skypack.dev/@vue/shared 3.2.20",
      true,
      "@vue/shared@3.2.20",
    ],
    [
      "https://cdn.skypack.dev/react@17.0.1?dts",
      "cdn.skypack.dev/react 17.0.1",
      true,
      "react@17.0.1",
    ],
    ["https://ga.jspm.io/npm:a@1.0.0/x.js", "ga.jspm.io/a 1.0.0", true, "a@1.0.0"],
    ["https://jsr.io/@std/path/1.0.0/mod.ts", "jsr.io/@std/path 1.0.0", true],
    [
      `https://raw.githubusercontent.com/o/r/${commit}/x.ts`,
      `github.com/o/r ${commit}`,
      true,
      "github.com:o/r",
    ],
    [
      "https://raw.githubusercontent.com/o/r/main/x.ts",
      "github.com/o/r main",
      false,
      "github.com:o/r",
    ],
    ["https://github.com/o/r/raw/v1.2.3/x.ts", "github.com/o/r v1.2.3", true, "github.com:o/r"],
    ["https://gitlab.com/o/r/-/raw/main/x.ts", "gitlab.com/o/r main", false, "gitlab.com:o/r"],
    [
      "https://bitbucket.org/o/r/raw/main/x.ts",
      "bitbucket.org/o/r main",
      false,
      "bitbucket.org:o/r",
    ],
    [
      `https://gist.githubusercontent.com/o/abc/raw/${commit}/x.ts`,
      `gist.github.com/o/abc ${commit}`,
      true,
      "gist.github.com:o/abc",
    ],
    ["http://example.com:8080/x.ts", "example.com:8080 ", false],
  ];
  for (const [address, name, pinned, source] of cases) {
    const group = groupOf(address)!;
    assertEquals(`${group.name} ${group.version}`, name, address);
    assertEquals(group.pinned, pinned, address);
    const { npm, git } = group;
    const found = npm
      ? `${npm.name}@${npm.version}`
      : git && `${git.host}:${git.owner}/${git.repository}`;
    assertEquals(found, source, address);
  }
});

Deno.test("groupOf() returns undefined when it is no http address", () => {
  for (const text of ["", "npm:x", "file:///etc/passwd", "data:text/plain,x", "https://"]) {
    assertEquals(groupOf(text), undefined, text);
  }
});

Deno.test("groupOf() keeps a host that only looks like a known one apart", () => {
  const evil = groupOf("https://esm.sh.evil.example/lodash@4.17.21")!;
  assertEquals(evil, { name: "esm.sh.evil.example/lodash", version: "4.17.21", pinned: true });
  assertEquals(groupOf("https://esm.sh@evil.example/lodash@4.17.21")!.name, "evil.example/lodash");
});

Deno.test("groupOf() finds the npm package however its address is spelled", () => {
  const addresses = [
    "https://esm.sh/%6Codash@4.17.20/lodash.mjs",
    "https://esm.sh/lodash%404.17.20",
    "https://esm.sh/lodash@%34.17.20/x",
    "https://esm.sh./lodash@4.17.20",
    "https://ESM.sh:443//lodash@4.17.20",
    "https://x@esm.sh/v135/*lodash@4.17.20&target=es",
    "https://esm.sh/lodash@=4.17.20",
    "https://esm.sh/lodash@4.17.20+x",
    "https://raw.esm.sh/lodash@4.17.20/lodash.js",
    "https://unpkg.com/lodash@v4.17.20/x",
    "https://fastly.jsdelivr.net/npm/lodash@4.17.20/+esm",
    "https://gcore.jsdelivr.net/npm/%6Codash@4.17.20",
    "https://testingcf.jsdelivr.net/npm/lodash@4.17.20",
    "https://cdnjs.cloudflare.com/ajax/libs/lodash.js/4.17.20/lodash.min.js",
    "https://cdn.skypack.dev/-/lodash@v4.17.20-abc123/dist=es2019/lodash.js",
    "https://cdn.skypack.dev/-/lodash@v4.17.20/dist=es2019/lodash.js",
  ];
  for (const address of addresses) {
    const { npm, pinned, version } = groupOf(address)!;
    assertEquals(npm, { name: "lodash", version: "4.17.20" }, address);
    assertEquals([pinned, version], [true, "4.17.20"], address);
  }
  const scoped = { name: "@a/b", version: "1.0.0-rc.1" };
  assertEquals(groupOf("https://esm.sh/@a%2Fb@1.0.0-rc.1")!.npm, scoped);
  assertEquals(groupOf("https://cdn.skypack.dev/-/@a/b@v1.0.0-rc.1-Ab1/x")!.npm, scoped);
});

Deno.test("groupOf() takes no other code for that of an npm package", () => {
  // Address, name and version of the group, whether it is pinned, the npm name to match bans with.
  const cases: readonly (readonly [string, string, boolean, string?])[] = [
    ["https://esm.sh/react:lodash@4.17.20", "esm.sh/react:lodash 4.17.20", true],
    ["https://esm.sh/.hidden@1.0.0", "esm.sh/.hidden 1.0.0", true],
    ["https://esm.sh/lodash%3Fx@1.0.0", "esm.sh/lodash?x 1.0.0", true],
    ["https://esm.sh/lod%256Fash@1.0.0", "esm.sh/lod%6Fash 1.0.0", true],
    ["https://esm.sh/%zz@1.0.0", "esm.sh/%zz 1.0.0", true],
    ["https://esm.sh/pr/lodash@4.17.20", "esm.sh/pr/lodash 4.17.20", false, "lodash"],
    ["https://esm.sh/lodash", "esm.sh/lodash ", false, "lodash"],
    ["https://cdn.jsdelivr.net/npm/lodash@4/+esm", "cdn.jsdelivr.net/lodash 4", false, "lodash"],
    [
      "https://cdn.jsdelivr.net/combine/npm/a@1.0.0,npm/b@2.0.0",
      "cdn.jsdelivr.net/combine ",
      false,
    ],
    [
      "https://cdnjs.cloudflare.com/ajax/libs/unknown.js/1.0.0/x.js",
      "cdnjs.cloudflare.com/unknown.js 1.0.0",
      true,
    ],
    ["https://evil.example/a/@s/n@1.0.0/x.js", "evil.example/@s/n 1.0.0", true],
    ["https://evil.example/n@1/x.js", "evil.example ", false],
    ["https://raw.githubusercontent.com/o/r/refs/heads/main/x.ts", "github.com/o/r main", false],
    ["https://raw.githubusercontent.com/o/r/refs/tags/v1.0.0/x.ts", "github.com/o/r v1.0.0", true],
    ["https://raw.githubusercontent.com/acme%2Fr/evil/x", "github.com/acme%2Fr/evil x", false],
  ];
  for (const [address, name, pinned, npmName] of cases) {
    const group = groupOf(address)!;
    assertEquals(`${group.name} ${group.version}`, name, address);
    assertEquals([group.pinned, group.npm, group.npmName], [pinned, undefined, npmName], address);
  }
});
