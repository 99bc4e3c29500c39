/** Things inside of a root that no operation may trip over, and what each operation makes of them. */
import type { SecurityPolicy } from "../../src/files/policy.ts";
import type { OperationName } from "./_every_operation.ts";
import type { SpecialKind } from "./_tree.ts";

/** A thing in the way. */
export interface Obstacle {
  readonly name: string;
  readonly tree: readonly string[];
  readonly input: string;
  readonly policy?: SecurityPolicy;
  /** What cannot be made everywhere. */
  readonly needs?: SpecialKind;
  /** What every operation answers. */
  readonly code: string;
  /** Those that answer something else. */
  readonly except?: Partial<Record<OperationName, string>>;
}

/** What acts on a name and never opens what it names. */
const ON_NAME = {
  "remove": "done",
  "remove all below": "done",
  "rename from": "done",
  "rename to": "done",
} as const;

/** What creates a name follows no link in it; `mkdir with parents` looks whether it is a directory. */
const NEW = { "write new": "already-exists", "mkdir": "already-exists" } as const;

const EXISTS = { ...NEW, "mkdir with parents": "already-exists" } as const;

/** What only a directory can do. */
const NO_DIRECTORY = {
  list: "not-a-directory",
  walk: "not-a-directory",
  subroot: "not-a-directory",
} as const;

const LONG = "n".repeat(256);
const CHAIN = Array.from({ length: 45 }, (_, at) => `c${at} => c${at + 1}`);

const SPECIAL: readonly Obstacle[] = (["fifo", "sock", "chardev"] as const).flatMap((kind) => [
  {
    name: `a ${kind}`,
    tree: [`${kind} p`],
    input: "p",
    needs: kind,
    code: "special-file",
    except: { ...ON_NAME, ...EXISTS, ...NO_DIRECTORY, validate: "done", stat: "done" },
  },
  {
    name: `a ${kind} behind a link`,
    tree: [`${kind} a/p`, "l => a/p"],
    input: "l",
    needs: kind,
    code: "special-file",
    except: { ...ON_NAME, ...EXISTS, ...NO_DIRECTORY, validate: "done", stat: "done" },
  },
]);

/** All of them. */
export const OBSTACLES: readonly Obstacle[] = [
  ...SPECIAL,
  {
    name: "a sparse file of 10 GiB",
    tree: ["size big 10737418240"],
    input: "big",
    code: "file-too-large",
    except: {
      ...ON_NAME,
      ...EXISTS,
      ...NO_DIRECTORY,
      "validate": "done",
      "stat": "done",
      "write": "done",
      "copy to": "done",
    },
  },
  {
    name: "a file one byte too large",
    tree: ["size big 1025"],
    input: "big",
    policy: { maxFileSizeBytes: 1024 },
    code: "file-too-large",
    except: {
      ...ON_NAME,
      ...EXISTS,
      ...NO_DIRECTORY,
      "validate": "done",
      "stat": "done",
      "write": "done",
      "copy to": "done",
    },
  },
  {
    name: "a file that is as large as is allowed",
    tree: ["size big 1024"],
    input: "big",
    policy: { maxFileSizeBytes: 1024 },
    code: "done",
    except: { ...EXISTS, ...NO_DIRECTORY, append: "file-too-large" },
  },
  {
    name: "a second name of a file outside",
    tree: ["hard h $OUTSIDE/secret"],
    input: "h",
    policy: { hardLinks: "deny" },
    code: "hard-link-denied",
    except: { ...ON_NAME, ...NEW },
  },
  {
    name: "a link to itself",
    tree: ["l => l"],
    input: "l",
    code: "symlink-loop",
    except: { ...ON_NAME, ...NEW },
  },
  {
    name: "two links to each other",
    tree: ["a => b", "b => a"],
    input: "a/x",
    code: "symlink-loop",
  },
  { name: "45 links in a row", tree: [...CHAIN, "c45/x"], input: "c0/x", code: "symlink-loop" },
  {
    name: "a link inside, where links are denied",
    tree: ["f", "l => f"],
    input: "l",
    policy: { symlinks: "deny" },
    code: "symlink-denied",
    except: { ...ON_NAME, ...NEW },
  },
  {
    name: "a linked directory inside, where links are denied",
    tree: ["d/f", "l => d"],
    input: "l/f",
    policy: { symlinks: "deny" },
    code: "symlink-denied",
  },
  {
    name: "a file used as a directory",
    tree: ["f"],
    input: "f/x",
    code: "not-a-directory",
  },
  { name: "a NUL", tree: ["f"], input: "f\0", code: "path-invalid" },
  {
    name: "a NUL behind a way out",
    tree: [],
    input: "../OUTSIDE/secret\0.txt",
    code: "path-invalid",
  },
  { name: "nothing", tree: [], input: "", code: "path-invalid" },
  // Deno would make U+FFFD of it, which is the name of another file.
  { name: "half a character", tree: ["\ufffd"], input: "\ud800", code: "path-invalid" },
  { name: "the other half", tree: ["d\ufffd/f"], input: "d\udc00/f", code: "path-invalid" },
  { name: "a name of 256 bytes", tree: [], input: LONG, code: "name-too-long" },
  {
    name: "a name of 258 bytes in 86 characters",
    tree: [],
    input: "日".repeat(86),
    code: "name-too-long",
  },
  {
    name: "a path of 5,000 bytes",
    tree: [],
    input: "n/".repeat(2500) + "n",
    code: "name-too-long",
  },
  {
    name: "a path that is deeper than is allowed",
    tree: ["a/b/c/d"],
    input: "a/b/c/d",
    policy: { maxDepth: 3 },
    code: "path-too-deep",
  },
  {
    name: "a forbidden path",
    tree: ["a/secret/k"],
    input: "a/secret/k",
    policy: { forbiddenPaths: ["a/secret"] },
    code: "path-forbidden",
  },
  {
    name: "a link to a forbidden path",
    tree: ["a/secret/k", "l => a/secret"],
    input: "l/k",
    policy: { forbiddenPaths: ["a/secret"] },
    code: "path-forbidden",
  },
  {
    name: "an extension that is denied",
    tree: ["run.SH"],
    input: "run.SH",
    policy: { deniedExtensions: ["sh"] },
    code: "extension-denied",
    except: { mkdir: "already-exists" },
  },
  {
    name: "a link that hides an extension that is denied",
    tree: ["run.sh", "l.txt => run.sh"],
    input: "l.txt",
    policy: { deniedExtensions: ["sh"] },
    code: "extension-denied",
    except: { ...ON_NAME, ...NEW },
  },
];
