/** What a refusal tells of what it refuses: the same, whether there is anything or not. */
import { assertEquals } from "@std/assert";
import { codesOf, testEach } from "./_each_backend.ts";

testEach(
  "a link below a forbidden path does not tell what is there",
  [
    "secrets/keys/id",
    "l => secrets",
    "d/m => ../secrets/keys",
    "other/forbidden/x",
    "o => $OUTSIDE",
  ],
  async (t) => {
    const { root, rootLink } = t.tree;
    const other = { path: `${root}/other`, forbiddenPaths: ["forbidden"] };
    Deno.symlinkSync(`${root}/other/forbidden`, `${root}/n`);
    const policy = { forbiddenPaths: ["secrets"] };
    for (const roots of [[root], [root, other]]) {
      const files = await t.open({ roots, policy });
      const names = ["keys/id", "keys/no", "no", "no/no", "keys/id/x", `keys/${"x".repeat(300)}`];
      const paths = names.map((name) => `l/${name}`);
      paths.push("d/m/id", "d/m/no", `${root}/l/no`, `${rootLink}/l/no`, `${rootLink}/l/keys/id`);
      if (roots.length > 1) paths.push("n/x", "n/no", "n/x/y");
      for (const path of paths) {
        const codes = await codesOf([
          files.readFile(path),
          files.stat(path),
          files.list(path),
          files.writeFile(path, ""),
          files.remove(path),
          files.mkdir(path),
          files.mkdir(path, { recursive: true }),
        ]);
        assertEquals(new Set(codes), new Set(["path-forbidden"]), path);
      }
      // What is not forbidden says what it is, and what lies outside that it does.
      const told = ["no", "d/no", "d/no/no", "o/no", "o/secret/x"].map((path) => files.stat(path));
      assertEquals(await codesOf(told), [
        ...["not-found", "not-found", "not-found"],
        ...["path-outside-root", "path-outside-root"],
      ]);
    }
  },
);

testEach("an extension that is refused does not tell what is there", [".env", "f"], async (t) => {
  for (const policy of [{ deniedExtensions: [".env"] }, { allowedExtensions: [".txt"] }]) {
    const files = await t.open({ policy });
    const works: Record<string, (path: string) => Promise<unknown>> = {
      readFile: (path) => files.readFile(path),
      readDirectory: (path) => files.readFile(`${path}/`),
      listDirectory: (path) => files.list(`${path}/`),
      remove: (path) => files.remove(path),
      removeDirectory: (path) => files.remove(`${path}/`),
      removeAll: (path) => files.remove(path, { recursive: true }),
      rename: (path) => files.rename(path, "g.txt"),
    };
    Deno.writeTextFileSync(`${t.tree.root}/g.txt`, "");
    for (const to of [".env", "no.env"]) {
      works[`to ${to}`] = () => files.rename("g.txt", to);
    }
    for (const [what, work] of Object.entries(works)) {
      const [there, absent] = await codesOf([work(".env"), work("no.env")]);
      assertEquals([there, absent], [absent, there], what);
    }
    const [there, absent] = await codesOf(
      [".env", "no.env"].map((to) => files.rename("g.txt", to)),
    );
    assertEquals([there, absent], ["extension-denied", "extension-denied"]);
    // A directory may be called so, and what may be named is told apart.
    Deno.mkdirSync(`${t.tree.root}/d.env`);
    await files.list("d.env/");
    await files.remove("d.env");
    assertEquals(await codesOf([files.remove("no.txt"), files.readFile("g.txt/")]), [
      "not-found",
      "not-a-directory",
    ]);
  }
});
