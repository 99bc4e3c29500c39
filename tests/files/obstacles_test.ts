import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SecurityError } from "@bartizan/security";
import { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import { attemptAll } from "./_attempt.ts";
import { availableBackends, hasEveryPermission } from "./_backends.ts";
import { type OperationName, OPERATIONS } from "./_every_operation.ts";
import { type Obstacle, OBSTACLES } from "./_obstacles.ts";
import { makeTree, SECRET, specialKinds } from "./_tree.ts";

const backends = await availableBackends();
if (!hasEveryPermission) {
  console.log("skipped: files of /proc (only a process with every permission may look into it)");
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, SecurityError)).code;
}

for (const under of backends) {
  const { protection, backend } = under;

  for (const obstacle of OBSTACLES) {
    const { name, needs, code, policy, except }: Obstacle = obstacle;
    const ignore = needs !== undefined && !specialKinds.includes(needs);
    if (ignore) console.log(`skipped: ${protection}: ${name} (it cannot be made here)`);
    Deno.test({
      name: `${protection}: every operation meets ${name}`,
      ignore,
      fn: async () => {
        const found = await attemptAll(obstacle, under, policy);
        const expected: Partial<Record<OperationName, string>> = {};
        for (const operation of OPERATIONS) {
          expected[operation.name] = except?.[operation.name] ?? code;
        }
        assertEquals(found, expected);
      },
    });
  }

  Deno.test(`${protection}: names that only look like an attack are names`, async () => {
    const names = [
      ...["__proto__", "constructor", "toString", "...", "....", "..a", "a..", "-rf", "*", "~"],
      ...[
        "$HOME",
        " a",
        "a ",
        "a\nb",
        "a\\b",
        "..\\x",
        "a:b",
        "con",
        "%2e%2e",
        "%00",
        "'a'",
        '"a"',
      ],
      ...[
        "a (deleted)",
        "\ufeffa",
        "\u202ea",
        "日本",
        "e\u0301",
        "\u00e9",
        "\ufffd",
        "n".repeat(255),
      ],
    ];
    using tree = makeTree([]);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
    for (const name of names) {
      await files.writeFile(name, name);
      assertEquals(await files.readTextFile(name), name);
      assertEquals(Deno.readTextFileSync(`${tree.root}/${name}`), name);
      assertEquals(await files.validate(name), `${tree.root}/${name}`);
      await files.copy(name, "copied");
      await files.rename(name, "moved");
      await files.rename("moved", name);
      assertEquals(await files.readTextFile("copied"), name);
      await files.remove("copied");
    }
    const listed = (await files.list(".")).map((entry) => entry.name);
    assertEquals(listed.toSorted(), names.toSorted());
    for (const name of names) await files.remove(name);
    assertEquals([...Deno.readDirSync(tree.root)], []);
  });

  Deno.test(`${protection}: dotdot behind a link is resolved in the text`, async () => {
    using tree = makeTree(["a => $OUTSIDE/dir"]);
    // The kernel goes to the target and up from there.
    assertEquals(Deno.readTextFileSync(`${tree.outside}/dir/../secret`), SECRET);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
    assertEquals(await codeOf(files.readFile("a/../secret")), "not-found");
    await files.writeFile("a/../secret", "mine");
    assertEquals(Deno.readTextFileSync(`${tree.root}/secret`), "mine");
    assertEquals(Deno.readTextFileSync(`${tree.outside}/secret`), SECRET);
  });

  Deno.test(`${protection}: walk and a removal of all below do not follow links out`, async () => {
    using tree = makeTree(["d/out => $OUTSIDE", "d/f", "d/deep/l => $OUTSIDE/secret"]);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
    // The control: below the link there is something to be found and removed.
    assert([...Deno.readDirSync(`${tree.root}/d/out`)].length > 0);
    const told = JSON.stringify(await Array.fromAsync(files.walk(".")));
    assert(told.includes("deep"), told);
    assert(!told.includes("outside-name") && !told.includes("hollow"), told);
    await files.remove("d", { recursive: true });
    assertEquals([...Deno.readDirSync(tree.root)], []);
    assertEquals(Deno.readTextFileSync(`${tree.outside}/secret`), SECRET);
    assertEquals(Deno.readTextFileSync(`${tree.outside}/dir/outside-name`), SECRET);
  });

  Deno.test(`${protection}: a subroot is a root of its own`, async () => {
    using tree = makeTree(["tenant/f", "tenant/up => ../other", "other/f"]);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
    await using tenant = await files.subroot("tenant");
    assertEquals(await tenant.readTextFile("f"), "inside tenant/f");
    for (
      const input of ["../other/f", "up/f", `${tree.root}/other/f`, `${tree.root}/tenant/up/f`]
    ) {
      assertEquals(await codeOf(tenant.readFile(input)), "path-outside-root", input);
      assertEquals(await codeOf(tenant.writeFile(input, "x")), "path-outside-root", input);
    }
    // The control: for the validator above, the same object lies inside.
    assertEquals(await files.readTextFile("tenant/up/f"), "inside other/f");
  });

  Deno.test(`${protection}: a root that was exchanged for a link is not followed`, async () => {
    using tree = makeTree(["secret", "dir/f"]);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
    assertEquals(await files.readTextFile("secret"), "inside secret");
    Deno.renameSync(tree.root, `${tree.work}/MOVED`);
    Deno.symlinkSync(tree.outside, tree.root);
    assertEquals(Deno.readTextFileSync(`${tree.root}/secret`), SECRET);
    for (const { name, guarded } of OPERATIONS) {
      const input = ["list", "walk", "subroot"].includes(name) ? "dir" : "secret";
      const { code } = await assertRejects(
        async () => void await guarded(files, input),
        SecurityError,
        undefined,
        name,
      );
      assert(["root-moved", "path-outside-root"].includes(code), `${name}: ${code}`);
    }
    assertEquals(Deno.readTextFileSync(`${tree.outside}/secret`), SECRET);
    assertEquals([...Deno.readDirSync(tree.outside)].length, 3);
  });

  Deno.test(`${protection}: a file that grows while it is read never gives more than is allowed`, async () => {
    using tree = makeTree([]);
    const path = `${tree.root}/grows`;
    const limit = 256 * 1024;
    await using files = await FileSecurityValidator.open({
      roots: [tree.root],
      policy: { maxFileSizeBytes: limit },
      backend,
    });
    const more = new Uint8Array(limit);

    Deno.writeFileSync(path, more);
    const reading = files.readFile("grows").then(
      (bytes) => bytes.byteLength,
      (error) => error.code,
    );
    // Large enough to be read off the thread, so this comes in between.
    Deno.writeFileSync(path, more, { append: true });
    const read = await reading;
    assert(read === limit || read === "file-too-large", String(read));

    Deno.writeFileSync(path, more);
    const reader = (await files.readable("grows")).getReader();
    let taken = (await reader.read()).value!.byteLength;
    Deno.writeFileSync(path, more, { append: true });
    const error = await assertRejects(async () => {
      while (true) {
        const { done, value } = await reader.read();
        if (done) break;
        taken += value.byteLength;
      }
    }, SecurityError);
    assertEquals([error.code, taken], ["file-too-large", limit]);
    // The control: whoever does not count gets everything.
    assertEquals(Deno.readFileSync(path).byteLength, 2 * limit);
  });

  Deno.test({
    name: `${protection}: a file that says it is empty and is not is counted while it is read`,
    ignore: !hasEveryPermission,
    fn: async () => {
      assertEquals(Deno.statSync("/proc/version").size, 0);
      const length = Deno.readFileSync("/proc/version").byteLength;
      for (
        const [maxFileSizeBytes, code] of [[length, "done"], [
          length - 1,
          "file-too-large",
        ]] as const
      ) {
        await using files = await FileSecurityValidator.open({
          roots: ["/proc"],
          policy: { maxFileSizeBytes },
          backend,
        });
        for (
          const read of [
            () => files.readFile("version"),
            () => files.readTextFile("version"),
            () => files.readRange("version", { length }),
            () => files.readInto("version", new Uint8Array(length)),
            async () => await new Response(await files.readable("version")).bytes(),
          ]
        ) {
          const found = await read().then(() => "done", (error) => error.code);
          assertEquals(found, code, String(read));
        }
      }
    },
  });

  Deno.test(`${protection}: a link to an open file of this process leads outside`, async () => {
    const fs = await import("node:fs");
    using tree = makeTree([]);
    const descriptor = fs.openSync(`${tree.outside}/secret`, "r");
    try {
      Deno.symlinkSync(`/proc/self/fd/${descriptor}`, `${tree.root}/l`);
      assertEquals(Deno.readTextFileSync(`${tree.root}/l`), SECRET);
      await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
      for (const { name, guarded } of OPERATIONS) {
        if (!/^(?:open|read|append|copy from|stat|list)/.test(name)) continue;
        const { code } = await assertRejects(
          async () => void await guarded(files, "l"),
          SecurityError,
          undefined,
          name,
        );
        assertEquals(code, "path-outside-root", name);
      }
      assertEquals(Deno.readTextFileSync(`${tree.outside}/secret`), SECRET);
    } finally {
      fs.closeSync(descriptor);
    }
  });

  Deno.test(`${protection}: what is outside cannot be told from what is not there`, async () => {
    using tree = makeTree(["d => ../OUTSIDE"]);
    await using files = await FileSecurityValidator.open({ roots: [tree.root], backend });
    for (
      const pair of [["../OUTSIDE/secret", "../OUTSIDE/absent"], ["/etc/passwd", "/etc/absent"]]
    ) {
      for (
        const attempt of [
          (input: string) => files.readFile(input),
          (input: string) => files.validate(input),
          (input: string) => files.stat(input),
          (input: string) => files.writeFile(input, "x"),
          (input: string) => files.remove(input),
        ]
      ) {
        const codes = await Promise.all(pair.map((input) => codeOf(attempt(input))));
        assertEquals(codes, ["path-outside-root", "path-outside-root"], `${attempt} ${pair}`);
      }
    }
  });
}

Deno.test("control: special files are there, and Deno opens them", () => {
  for (const kind of specialKinds) {
    using tree = makeTree([`${kind} p`]);
    const path = `${tree.root}/p`;
    const info = Deno.lstatSync(path);
    assert(info.isFifo || info.isSocket || info.isCharDevice, kind);
    // Without a writer, opening a FIFO for reading alone would wait for ever.
    const open = () => Deno.openSync(path, { read: true, write: true }).close();
    if (kind === "sock") assertThrows(open);
    else open();
  }
});

Deno.test("control: a lone surrogate opens the file of another name", () => {
  using tree = makeTree(["\ufffd"]);
  assertEquals(Deno.readTextFileSync(`${tree.root}/\ud800`), "inside \ufffd");
});

Deno.test("control: the size of a sparse file is what it says, and its hard link is the same file", () => {
  using tree = makeTree(["size big 10737418240", "hard h $OUTSIDE/secret"]);
  assertEquals(Deno.statSync(`${tree.root}/big`).size, 10 * 2 ** 30);
  assertEquals(Deno.readTextFileSync(`${tree.root}/h`), SECRET);
});
