/** File leases of Linux: whoever opens such a file waits until its holder gives way, up to 45 seconds. */
import { assertEquals } from "@std/assert";
import { openKernel } from "../../../src/files/backends/kernel.ts";
import { makeTree } from "../_tree.ts";
import { codeOf, Opened, type Variant, variants } from "./_opened.ts";

const openLibc = () => openKernel("libc.so.6");
const why = await openLibc().then((backend) => backend.close(), String);
const kernel: Variant = { name: "kernel", open: openLibc, ignore: why !== undefined };

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;
const [O_RDONLY, O_RDWR, O_CLOEXEC] = [0, 2, 0o2000000];
const [F_SETSIG, F_SETLEASE] = [10, 1024];
const LEASES = { read: [O_RDONLY, 0], write: [O_RDWR, 1] } as const;
/** Which nobody is ended by, unlike SIGIO. */
const SIGURG = 23;

/** Leases a file for as long as it is not disposed of; `undefined` where that cannot be. */
function lease(path: string, kind: keyof typeof LEASES): Disposable | undefined {
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  const { open, fcntl, close } = library.symbols;
  const [access, type] = LEASES[kind];
  const number = open(new TextEncoder().encode(`${path}\0`), access | O_CLOEXEC);
  const isHeld = number >= 0 && fcntl(number, F_SETSIG, SIGURG) === 0 &&
    fcntl(number, F_SETLEASE, type) === 0;
  const end = () => {
    close(number);
    library.close();
  };
  if (isHeld) return { [Symbol.dispose]: end };
  end();
  return undefined;
}

/** The lease, what is opened, and whether these are in each other's way. */
const CASES = [
  { kind: "write", read: true, write: false, append: false, waits: true },
  { kind: "write", read: false, write: true, append: false, waits: true },
  { kind: "read", read: true, write: false, append: false, waits: false },
  { kind: "read", read: true, write: true, append: false, waits: true },
  { kind: "read", read: true, write: false, append: true, waits: true },
] as const;

for (const { name, open, ignore } of [...variants, kernel]) {
  Deno.test({
    name: `${name}: openFsFile() waits for no lease`,
    // Without `node:fs` there is no way to open without waiting.
    ignore: ignore || Deno.build.os !== "linux" || name.includes("without"),
    fn: async () => {
      for (const { kind, waits, ...options } of CASES) {
        using tree = makeTree(["f"]);
        using opened = await Opened.at(open, tree.root);
        const located = opened.locate("f");
        {
          using held = lease(`${tree.root}/f`, kind);
          if (held === undefined) return console.log("ignored: this file system has no leases");
          const code = await codeOf(() => located.openFsFile(options));
          assertEquals([kind, options, code], [kind, options, waits ? "io-error" : "done"]);
        }
        // The control: it was the lease.
        assertEquals(await codeOf(() => located.openFsFile(options)), "done");
        located.close();
      }
    },
  });
}
