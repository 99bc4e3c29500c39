/** Logs as a sink writes them, and what an attacker does to them. */

import { createHash } from "node:crypto";
import { Chain, type ChainState, GENESIS } from "../../src/events/_chain.ts";
import { type ChainOptions, Checkpoints } from "../../src/events/_checkpoints.ts";
import { canonicalJson, escapeJson } from "../../src/events/_json_line.ts";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

/** An event as a logger makes it. */
export function event(more: Partial<AuditEvent> = {}): Omit<AuditEvent, "seq"> {
  return {
    kind: "file.read",
    outcome: "success",
    severity: "info",
    id: "7b1c1f2e-6a38-4d0e-9b57-0f6b6c1d2e3f",
    time: "2026-11-24T19:15:44.123Z",
    recordedAt: "2026-11-24T19:15:44.124Z",
    correlationId: "0f6b6c1d-2e3f-4d0e-9b57-7b1c1f2e6a38",
    principal: "ann",
    resource: "notes/a.md",
    details: { bytes: 12 },
    ...more,
  };
}

/** A log that is being written. */
export class Log {
  readonly clock = new VirtualClock();
  readonly lines: string[] = [];
  readonly checkpoints: Checkpoints;
  /** State after each line; the one before the first comes first. */
  readonly states: ChainState[];
  readonly #chain: Chain;

  constructor(options: ChainOptions = {}, writer = "w1", state: ChainState = GENESIS) {
    this.checkpoints = new Checkpoints(options, this.clock);
    this.#chain = new Chain(writer, state);
    this.states = [state];
  }

  get state(): ChainState {
    return this.#chain.state;
  }

  /** Adds a line. */
  add(more: Partial<AuditEvent> = {}): this {
    this.lines.push(this.#chain.seal(event(more)));
    this.states.push(this.state);
    return this;
  }

  /** Adds lines. */
  addMany(count: number, more: Partial<AuditEvent> = {}): this {
    for (let at = 0; at < count; at++) {
      this.add({ resource: `notes/${this.state.seq}.md`, ...more });
    }
    return this;
  }

  /** Adds a checkpoint, and returns its note. */
  async seal(): Promise<string> {
    const details = await this.checkpoints.make(this.state);
    this.add({ kind: "audit.checkpoint", details });
    this.checkpoints.kept();
    return details["note"] as string;
  }

  /** Adds the record of a prune. */
  async prune(last: ChainState, names: readonly string[]): Promise<void> {
    const details = await this.checkpoints.makePrune(last, names);
    this.add({ kind: "audit.prune", details });
    this.checkpoints.kept();
  }
}

/** Runs with files in a folder of their own; returns what is wanted of them by name. */
export async function withFiles(
  files: Readonly<Record<string, string | Uint8Array | readonly string[]>>,
  run: (path: (name: string) => string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = (name: string) => `${folder}/${name}`;
  try {
    for (const [name, content] of Object.entries(files)) {
      if (content instanceof Uint8Array) await Deno.writeFile(path(name), content);
      else {await Deno.writeTextFile(
          path(name),
          typeof content === "string" ? content : text(content),
        );}
    }
    await run(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Lines as they are in a file. */
export function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** A line with another content and a hash that holds: what everybody can make. */
export function forge(
  line: string,
  change: (record: Record<string, unknown>) => void,
): string {
  const { hash: _, ...record } = JSON.parse(line) as Record<string, unknown>;
  change(record);
  const body = canonicalJson(record);
  const hash = createHash("sha256").update(body).digest("base64");
  return `${escapeJson(body).slice(0, -1)},"hash":"${hash}"}`;
}

/** Changes one line and makes all that follow anew, so that every number and hash holds. */
export function reseal(
  lines: readonly string[],
  number: number,
  change: (record: Record<string, unknown>) => void,
): string[] {
  const { seq: firstSeq } = JSON.parse(lines[0]!) as { readonly seq: number };
  const forged = lines.slice(0, number - 1);
  for (const line of lines.slice(number - 1)) {
    const before = forged.at(-1);
    forged.push(forge(line, (record) => {
      if (forged.length === number - 1) change(record);
      record["seq"] = forged.length + firstSeq;
      if (before !== undefined) record["prev"] = (JSON.parse(before) as { hash: string }).hash;
    }));
  }
  return forged;
}

/** What an attacker wants to be read. */
export function framing(record: Record<string, unknown>): void {
  record["principal"] = "bob";
}
