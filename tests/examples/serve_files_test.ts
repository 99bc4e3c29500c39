import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openFolder, serveFiles, statusOf } from "../../examples/serve_files.ts";
import { FileSecurityValidator } from "../../src/files/mod.ts";

const SECRET = "what lies outside";

/** A folder to be served, with a secret beside it; links lead inside and outside. */
function makeFolder(): Disposable & { readonly path: string } {
  const work = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "bartizan_serve_" }));
  const path = join(work, "served");
  Deno.mkdirSync(join(path, "notes"), { recursive: true });
  Deno.mkdirSync(join(path, ".git"));
  Deno.writeTextFileSync(join(path, "notes", "a b.md"), "# note");
  Deno.writeTextFileSync(join(path, ".git", "config.txt"), SECRET);
  Deno.writeTextFileSync(join(path, "page.html"), "<p>");
  Deno.writeTextFileSync(join(path, "large.txt"), "");
  Deno.truncateSync(join(path, "large.txt"), 10 * 1024 * 1024 + 1);
  Deno.writeTextFileSync(join(work, "secret.txt"), SECRET);
  Deno.symlinkSync(join(work, "secret.txt"), join(path, "out.txt"));
  Deno.symlinkSync(work, join(path, "up"));
  Deno.symlinkSync("notes", join(path, "in"));
  return { path, [Symbol.dispose]: () => Deno.removeSync(work, { recursive: true }) };
}

const get = (path: string, method = "GET"): Request =>
  new Request(`http://localhost${path}`, { method });

Deno.test("the server sends a file with its type, through links that stay inside as well", async () => {
  using folder = makeFolder();
  await using files = await openFolder(folder.path);
  const handle = serveFiles(files);
  for (const path of ["/notes/a%20b.md", "/in/a%20b.md"]) {
    const response = await handle(get(path));
    assertEquals(response.status, 200, path);
    assertEquals(response.headers.get("content-type"), "text/markdown; charset=utf-8");
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    assertEquals(await response.text(), "# note");
  }
  const head = await handle(get("/notes/a%20b.md", "HEAD"));
  await head.body?.cancel();
  assertEquals(head.status, 200);
});

Deno.test("the server answers what it refuses with a status, and tells nothing of the disk", async () => {
  using folder = makeFolder();
  await using files = await openFolder(folder.path);
  const handle = serveFiles(files);
  const cases: readonly (readonly [path: string, status: number])[] = [
    ["/missing.txt", 404],
    ["/", 404],
    ["/notes", 404],
    ["/notes/a%20b.md/", 404],
    // The URL standard resolves these; what is left of them is below the root.
    ["/../secret.txt", 404],
    ["/%2e%2e/secret.txt", 404],
    ["/..%2fsecret.txt", 400],
    ["/..%5csecret.txt", 400],
    ["//etc/passwd", 400],
    ["/notes%00.txt", 400],
    ["/%zz", 400],
    // Decoded once: a name with a percent sign, which is not there.
    ["/%252e%252e/secret.txt", 404],
    ["/out.txt", 403],
    ["/up/secret.txt", 403],
    ["/up/missing.txt", 403],
    ["/.git/config.txt", 403],
    ["/page.html", 403],
    ["/large.txt", 413],
    [`/${"a/".repeat(40)}b.txt`, 403],
  ];
  for (const [path, status] of cases) {
    const response = await handle(get(path));
    const text = await response.text();
    assertEquals(response.status, status, `${path}: ${text}`);
    assertFalse(text.includes(SECRET) || text.includes(folder.path), `${path}: ${text}`);
  }
  const post = await handle(get("/notes/a%20b.md", "POST"));
  assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
});

Deno.test("what the server refuses is there for a server that joins and reads", async () => {
  using folder = makeFolder();
  for (const path of ["out.txt", "up/secret.txt", "../secret.txt", ".git/config.txt"]) {
    assertStringIncludes(await Deno.readTextFile(join(folder.path, path)), SECRET);
  }
});

Deno.test("the server asks to come back later when it has too much to do", async () => {
  using folder = makeFolder();
  const files = await FileSecurityValidator.open({
    roots: [folder.path],
    resources: { maxOperationsPerSecond: 1 },
  });
  const handle = serveFiles(files);
  const statuses = await Promise.all(["/notes", "/notes", "/notes"].map(async (path) => {
    const { status, headers } = await handle(get(path));
    return [status, headers.get("retry-after")];
  }));
  assertEquals(statuses.slice(1), [[429, "1"], [429, "1"]]);

  await files.close();
  const { status, headers } = await handle(get("/notes"));
  assertEquals([status, headers.get("retry-after")], [503, "1"]);
  assertEquals([statusOf("too-many-operations"), statusOf("root-moved")], [503, 500]);
});
