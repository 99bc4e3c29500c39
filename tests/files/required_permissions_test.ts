import { assertEquals, assertFalse, assertStringIncludes, assertThrows } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { reasonOf } from "../../src/files/_errors.ts";
import {
  GrantedPaths,
  missingPermission,
  requiredPermissions,
} from "../../src/files/required_permissions.ts";

const MODULE = new URL("../../src/files/required_permissions.ts", import.meta.url).href;
const REASONS = new URL("../../src/files/_errors.ts", import.meta.url).href;

/** Runs a script under other permissions than those of the tests; gives what it prints. */
async function runScript(script: string, flags: readonly string[]): Promise<string> {
  const output = await new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", "--no-check", ...flags, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = output.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { stdout, stderr } = await output.output();
  const text = new TextDecoder().decode(stdout).trim();
  return text === "" ? new TextDecoder().decode(stderr) : text;
}

/** Lines that every script begins with. */
const PRELUDE = `
  import { GrantedPaths } from ${JSON.stringify(MODULE)};
  import { reasonOf } from ${JSON.stringify(REASONS)};
  const attempt = (check) => {
    try { check(); return "granted"; }
    catch (error) { return [error.code, error.message, reasonOf(error)].join(" | "); }
  };
`;

Deno.test("requiredPermissions() reads all roots and writes those that are not read-only", () => {
  const roots = [{ path: "/srv/data", readOnly: false }, { path: "/srv/public", readOnly: true }];
  assertEquals(requiredPermissions({ roots, protection: "best-effort" }), {
    flags: ["--allow-read=/srv/data,/srv/public", "--allow-write=/srv/data"],
    permissionSet: { read: ["/srv/data", "/srv/public"], write: ["/srv/data"] },
  });
});

Deno.test("requiredPermissions() writes nothing when every root is read-only", () => {
  const roots = [{ path: "/srv/public", readOnly: true }];
  assertEquals(requiredPermissions({ roots, protection: "best-effort" }), {
    flags: ["--allow-read=/srv/public"],
    permissionSet: { read: ["/srv/public"] },
  });
});

Deno.test("requiredPermissions() calls libraries when the kernel resolves", () => {
  const roots = [{ path: "/a" }];
  assertEquals(requiredPermissions({ roots, protection: "kernel" }), {
    flags: ["--allow-read=/a", "--allow-write=/a", "--allow-ffi"],
    permissionSet: { read: ["/a"], write: ["/a"], ffi: true },
  });
  const libraries = ["/lib/libc.so.6"];
  assertEquals(requiredPermissions({ roots, protection: "kernel", libraries }), {
    flags: ["--allow-read=/a", "--allow-write=/a", "--allow-ffi=/lib/libc.so.6"],
    permissionSet: { read: ["/a"], write: ["/a"], ffi: libraries },
  });
});

Deno.test("requiredPermissions() needs everything when handles are verified", () => {
  const roots = [{ path: "/a", readOnly: true }];
  assertEquals(requiredPermissions({ roots, protection: "fd-verified" }), {
    flags: ["--allow-all"],
    permissionSet: { all: true },
  });
});

Deno.test("requiredPermissions() leaves out what another root includes, and doubles commas", () => {
  const roots = [
    { path: "/a/b" },
    { path: "/a", readOnly: true },
    { path: "/a", readOnly: true },
    { path: "/ab,c" },
    { path: "C:\\x\\y", readOnly: true },
    { path: "C:\\x", readOnly: true },
  ];
  assertEquals(requiredPermissions({ roots, protection: "best-effort" }), {
    flags: ["--allow-read=/a,/ab,,c,C:\\x", "--allow-write=/a/b,/ab,,c"],
    permissionSet: { read: ["/a", "/ab,c", "C:\\x"], write: ["/a/b", "/ab,c"] },
  });
  const everything = [{ path: "/" }, { path: "/a" }];
  assertEquals(requiredPermissions({ roots: everything, protection: "best-effort" }).flags, [
    "--allow-read=/",
    "--allow-write=/",
  ]);
});

Deno.test("missingPermission() names the root to the operator alone", () => {
  const error = missingPermission("write", "/srv/a,b");
  assertEquals(error.code, "permission-missing");
  assertStringIncludes(error.message, "--allow-write for the root");
  assertEquals(error.details, { flag: "--allow-write" });
  assertEquals(reasonOf(error), "Run again with --allow-write=/srv/a,,b");
  assertFalse(JSON.stringify([error.message, error.details]).includes("srv"));
});

Deno.test("GrantedPaths accept what an unrestricted permission covers", async () => {
  const paths = await GrantedPaths.open("best-effort", [{ path: "/srv/a" }]);
  paths.demand("/srv/a", true);
  paths.demand("/not/known/before", true);
  paths.add({ path: "/data", readOnly: true });
  paths.checkRead("/data");
});

Deno.test("GrantedPaths refuse when a permission is not there that handles need", async () => {
  const status = await Deno.permissions.query({ name: "env" });
  const paths = await GrantedPaths.open("fd-verified", [{ path: "/srv/a" }]);
  if (status.state === "granted" && !status.partial) {
    paths.demand("/srv/a", true);
  } else {
    const error = assertThrows(() => paths.checkRead("/srv/a"), SecurityError, "--allow-all");
    assertEquals(error.code, "permission-missing");
  }
});

const LOSSES: readonly (readonly [string, readonly string[], string, readonly string[]])[] = [
  [
    "never were there",
    ["--allow-read=/srv/a"],
    "",
    ["granted", "--allow-write=/srv/a"],
  ],
  [
    "are revoked for all paths",
    ["--allow-read=/srv/a", "--allow-write=/srv/a"],
    `Deno.permissions.revokeSync({ name: "read" });`,
    ["--allow-read=/srv/a", "granted"],
  ],
  [
    "are revoked for the root",
    ["--allow-read=/srv/a", "--allow-write=/srv/a"],
    `Deno.permissions.revokeSync({ name: "write", path: "/srv/a" });`,
    ["granted", "--allow-write=/srv/a"],
  ],
  [
    "were unrestricted and are revoked",
    ["--allow-read", "--allow-write"],
    `Deno.permissions.revokeSync({ name: "read" });`,
    ["--allow-read=/srv/a", "granted"],
  ],
  [
    "are denied for the root from the start",
    ["--allow-read", "--allow-write", "--deny-write=/srv/a"],
    "",
    ["granted", "--allow-write=/srv/a"],
  ],
];

for (const [what, flags, loss, expected] of LOSSES) {
  Deno.test(`GrantedPaths notice permissions that ${what}`, async () => {
    const script = `${PRELUDE}
      const paths = await GrantedPaths.open("best-effort", [{ path: "/srv/a" }]);
      ${loss}
      console.log(attempt(() => paths.checkRead("/srv/a")));
      console.log(attempt(() => paths.checkWrite("/srv/a")));
    `;
    const lines = (await runScript(script, flags)).split("\n");
    assertEquals(lines.length, 2, lines.join("\n"));
    for (const [at, line] of lines.entries()) {
      assertStringIncludes(line, expected[at]!);
      if (line !== "granted") assertEquals(line.split(" | ")[0], "permission-missing");
    }
  });
}

Deno.test("GrantedPaths notice any permission that is revoked when handles are verified", async () => {
  const script = `${PRELUDE}
    const paths = await GrantedPaths.open("fd-verified", [{ path: "/srv/a" }]);
    console.log(attempt(() => paths.demand("/srv/a", true)));
    Deno.permissions.revokeSync({ name: "net" });
    console.log(attempt(() => paths.demand("/srv/a", false)));
  `;
  const [before, after] = (await runScript(script, ["--allow-all"])).split("\n");
  assertEquals(before, "granted");
  assertStringIncludes(after ?? "", "run again with --allow-all");
  const denied = await runScript(script, ["--allow-all", "--deny-read=/srv/b"]);
  assertStringIncludes(denied.split("\n")[0] ?? "", "run again with --allow-all");
});
