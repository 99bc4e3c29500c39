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
  assertEquals(groupOf("https://esm.sh.evil.example/lodash@4.17.21")!.name, "esm.sh.evil.example");
  assertEquals(groupOf("https://esm.sh@evil.example/lodash@4.17.21")!.name, "evil.example");
});
