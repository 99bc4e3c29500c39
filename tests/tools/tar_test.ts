import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ArchiveError, gunzip, readTar } from "../../tools/_tar.ts";
import { gzip, type TarEntry, writeTar } from "./_tar_writer.ts";

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

Deno.test("readTar() gives the files of an archive by their names", () => {
  const files = readTar(writeTar([
    { name: "package/", type: "5" },
    { name: "package/a.js", text: "a" },
    { name: "empty" },
    { name: "deep/b.js", prefix: "package/long", text: "b".repeat(513) },
    { name: "old", type: "\0", text: "old" },
  ]));
  assertEquals([...files.keys()], ["package/a.js", "empty", "package/long/deep/b.js", "old"]);
  assertEquals(text(files.get("package/a.js")), "a");
  assertEquals(files.get("empty")?.length, 0);
  assertEquals(text(files.get("package/long/deep/b.js")), "b".repeat(513));
});

const hostile: readonly (readonly [string, TarEntry, string])[] = [
  ["climbs out", { name: "../evil" }, "plain relative path"],
  ["climbs out later", { name: "package/../../evil" }, "plain relative path"],
  ["climbs out in the prefix", { name: "evil", prefix: "package/.." }, "plain relative path"],
  ["is absolute", { name: "/etc/passwd" }, "plain relative path"],
  ["is absolute by its prefix", { name: "passwd", prefix: "/etc" }, "plain relative path"],
  ["names a drive", { name: "C:/evil" }, "plain relative path"],
  ["has a backslash", { name: "package\\..\\evil" }, "plain relative path"],
  ["has a control character", { name: "a\u001b[2J" }, "plain relative path"],
  ["has an empty part", { name: "a//b" }, "plain relative path"],
  ["has the part '.'", { name: "./a" }, "plain relative path"],
  ["is empty", { name: "" }, "plain relative path"],
  ["is a file that ends as a folder", { name: "a/" }, "plain relative path"],
  ["is a hard link", { name: "a", type: "1" }, "neither a file nor a folder"],
  ["is a symbolic link", { name: "a", type: "2" }, "neither a file nor a folder"],
  ["is a device", { name: "a", type: "3" }, "neither a file nor a folder"],
  ["is a FIFO", { name: "a", type: "6" }, "neither a file nor a folder"],
  ["is an extended header", { name: "a", type: "x" }, "neither a file nor a folder"],
  ["is a GNU long name", { name: "a", type: "L" }, "neither a file nor a folder"],
  ["is not ustar", { name: "a", tamper: (header) => header.fill(0, 257, 265) }, "not a ustar"],
  ["has no size", { name: "a", tamper: (header) => header.fill(0, 124, 136) }, "not octal"],
  ["has a binary size", { name: "a", tamper: (header) => header.fill(128, 124, 125) }, "UTF-8"],
  ["has a negative size", { name: "a", tamper: (header) => header.fill(45, 124, 125) }, "octal"],
  ["has bytes for a name", { name: "a", tamper: (header) => header.fill(255, 0, 1) }, "UTF-8"],
  [
    "is larger than the archive",
    { name: "a", tamper: (header) => header.fill(55, 124, 135) },
    "cut short",
  ],
];

for (const [what, entry, message] of hostile) {
  Deno.test(`readTar() refuses an entry that ${what}`, () => {
    readTar(writeTar([{ name: "fine" }]));
    assertThrows(() => readTar(writeTar([{ name: "fine" }, entry])), ArchiveError, message);
  });
}

Deno.test("readTar() refuses two entries of one name", () => {
  const twice = writeTar([{ name: "a", text: "1" }, { name: "a", text: "2" }]);
  assertThrows(() => readTar(twice), ArchiveError, "twice");
});

Deno.test("readTar() refuses a wrong checksum", () => {
  const archive = writeTar([{ name: "a" }]);
  archive[0] = 98;
  assertThrows(() => readTar(archive), ArchiveError, "checksum");
});

Deno.test("readTar() refuses an archive without its end", () => {
  assertThrows(() => readTar(writeTar([{ name: "a" }], { end: false })), ArchiveError, "end");
  assertThrows(() => readTar(new Uint8Array(0)), ArchiveError, "end");
});

Deno.test("readTar() reads any damaged archive or refuses it, and does nothing else", () => {
  const archive = writeTar([{ name: "package/a", text: "a" }, { name: "package/b", text: "b" }]);
  const damage = fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(damage, fc.nat(archive.length), (changes, length) => {
      const damaged = archive.slice(0, length);
      for (const [at, byte] of changes) if (at < length) damaged[at] = byte;
      try {
        for (const name of readTar(damaged).keys()) {
          if (name.split("/").includes("..")) throw new Error(`accepted ${name}`);
        }
      } catch (error) {
        assertInstanceOf(error, ArchiveError);
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("gunzip() undoes gzip", async () => {
  const data = new TextEncoder().encode("data ".repeat(1000));
  assertEquals(await gunzip(await gzip(data), data.length), data);
});

Deno.test("gunzip() stops at its limit", async () => {
  const bomb = await gzip(new Uint8Array(5_000_000));
  await assertRejects(() => gunzip(bomb, 4_999_999), ArchiveError, "more than 4999999 bytes");
});

Deno.test("gunzip() refuses what is not gzip, or is cut short", async () => {
  const data = await gzip(new Uint8Array(1000));
  await assertRejects(() => gunzip(data.slice(0, -4), 1000), ArchiveError, "cut short");
  await assertRejects(() => gunzip(new Uint8Array(100), 1000), ArchiveError, "not gzip");
});
