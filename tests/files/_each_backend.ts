/** A test for every way of touching files, each on a tree of its own. */
import { assertRejects } from "@std/assert";
import type { AuditEventInput, AuditReporter } from "../../src/events/audit_event.ts";
import { SecurityError } from "../../src/errors.ts";
import type { FileSecurityOptions } from "../../src/files/_open_context.ts";
import { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import { availableBackends } from "./_backends.ts";
import { makeTree, type Tree } from "./_tree.ts";

/** What a test works with. */
export interface Fixture {
  readonly tree: Tree;
  /** Opens a validator of the tree's root, closed after the test. */
  open(options?: Partial<FileSecurityOptions>): Promise<FileSecurityValidator>;
}

const backends = await availableBackends();

/** Declares a test for every backend. */
export function testEach(
  name: string,
  lines: readonly string[],
  fn: (fixture: Fixture) => Promise<void>,
): void {
  for (const { protection, backend } of backends) {
    Deno.test(`${protection}: ${name}`, async () => {
      using tree = makeTree(lines);
      const opened: FileSecurityValidator[] = [];
      try {
        await fn({
          tree,
          async open(options = {}) {
            const files = await FileSecurityValidator.open({
              roots: [tree.root],
              backend,
              ...options,
            });
            opened.push(files);
            return files;
          },
        });
      } finally {
        for (const files of opened) await files.close();
      }
    });
  }
}

/** The code of the refusal that a promise ends with. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, SecurityError)).code;
}

/** The codes of several that run at once, none of which is left to reject unseen. */
export function codesOf(works: readonly Promise<unknown>[]): Promise<string[]> {
  return Promise.all(works.map(codeOf));
}

/** A reporter that keeps what it is told. */
export class Recorder implements AuditReporter {
  readonly events: AuditEventInput[] = [];
  report(event: AuditEventInput): void {
    this.events.push(event);
  }
}

/** The names in a folder, sorted. */
export function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** A stream of chunks; each is made when it is asked for. */
export function streamOf(...chunks: readonly string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks).pipeThrough(new TextEncoderStream());
}

/** A stream whose chunks a test sends one by one. */
export function hand(): {
  stream: ReadableStream<Uint8Array>;
  send(chunk: string): void;
  end(): void;
} {
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  return {
    stream,
    send: (chunk) => controller.enqueue(new TextEncoder().encode(chunk)),
    end: () => controller.close(),
  };
}
