/**
 * The file sink, put together: what merges floods, what writes, what seals, and what flushes at the end.
 *
 * @module
 */

import { resolve } from "@std/path/resolve";
import { systemClock } from "../_internal/clock.ts";
import { checkNames, integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import type { AuditEvent } from "./audit_event.ts";
import { Checkpoints } from "./_checkpoints.ts";
import { Coalescer } from "./_coalesce.ts";
import { flushAtExit, type OnSigterm } from "./_exit_flush.ts";
import { newId } from "./_ids.ts";
import type { LogFileOps } from "./_log_file_ops.ts";
import { LogSeals } from "./_log_seals.ts";
import { LogWriter } from "./_log_writer.ts";
import type { JsonLinesSink, JsonLinesSinkOptions, JsonLinesStats } from "./json_lines_sink.ts";

const PURPOSE = "write an audit log";
const OPTIONS: readonly string[] = [
  "path",
  "durability",
  "rotate",
  "chain",
  "queue",
  "coalesce",
  "flushIntervalMs",
  "onSigterm",
  "clock",
];
const PARTS = {
  rotate: ["maxBytes", "maxAgeMs", "keep"],
  queue: ["maxRecords", "maxBytes", "maxWaiting"],
  coalesce: ["perWindow", "windowMs", "maxKeys"],
  chain: [
    "signer",
    "origin",
    "checkpointEveryRecords",
    "checkpointEverySeconds",
    "onCheckpoint",
    "epochKeys",
  ],
};
const MIN_SEGMENT_BYTES = 4 * 1024;

/**
 * Makes the sink of `jsonLinesSink` on any system calls.
 *
 * @param options The options.
 * @param ops The system calls.
 * @returns The sink.
 */
export function makeFileSink(options: JsonLinesSinkOptions, ops: LogFileOps): JsonLinesSink {
  checkNames(PURPOSE, options, OPTIONS);
  for (const name of ["rotate", "queue", "coalesce", "chain"] as const) {
    if (options[name]) checkNames(PURPOSE, options[name], PARTS[name]);
  }
  const { path, durability = "write", onSigterm = "exit", clock = systemClock, chain } = options;
  const { rotate, queue = {}, coalesce = {} } = options;
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw wrongOption(PURPOSE, "path", "a path", path);
  }
  if (durability !== "buffered" && durability !== "write" && durability !== "fsync") {
    throw wrongOption(PURPOSE, "durability", '"buffered", "write" or "fsync"', durability);
  }
  if (onSigterm !== "exit" && onSigterm !== "flush") {
    throw wrongOption(PURPOSE, "onSigterm", '"exit" or "flush"', onSigterm);
  }
  const count = (name: string, value: unknown, otherwise: number, most?: number) =>
    integerOption(PURPOSE, name, value, {
      otherwise,
      least: 1,
      ...(most === undefined ? {} : { most }),
    });
  const rotation = rotate === undefined ? undefined : {
    maxBytes: integerOption(PURPOSE, "rotate.maxBytes", rotate.maxBytes, {
      otherwise: Infinity,
      least: MIN_SEGMENT_BYTES,
    }),
    maxAgeMs: count("rotate.maxAgeMs", rotate.maxAgeMs, Infinity),
    keep: count("rotate.keep", rotate.keep, Infinity),
  };
  if (rotation?.maxBytes === Infinity && rotation.maxAgeMs === Infinity) {
    throw wrongOption(PURPOSE, "rotate", "an object with maxBytes, maxAgeMs or both", rotate);
  }
  const limits = {
    perWindow: coalesce && count("coalesce.perWindow", coalesce.perWindow, 100),
    windowMs: coalesce && count("coalesce.windowMs", coalesce.windowMs, 1_000, MAX_TIMEOUT_MS),
    maxKeys: coalesce && count("coalesce.maxKeys", coalesce.maxKeys, 10_000, 1_000_000),
    maxWaiting: count("queue.maxWaiting", queue.maxWaiting, 1_000, 10_000_000),
  };
  const checkpoints = chain === undefined ? undefined : new Checkpoints(chain, clock);
  const log = new LogWriter({
    ops,
    path: resolve(path),
    writer: newId(),
    durability,
    isChained: chain !== undefined,
    sealCheck: checkpoints?.sealCheck,
    isExclusive: chain?.epochKeys !== undefined,
    rotation,
    maxRecords: count("queue.maxRecords", queue.maxRecords, 10_000, 10_000_000),
    maxBytes: count("queue.maxBytes", queue.maxBytes, 16 * 1024 * 1024),
    maxWaiting: limits.maxWaiting,
    flushIntervalMs: count("flushIntervalMs", options.flushIntervalMs, 100, MAX_TIMEOUT_MS),
    clock,
  });
  if (log.log.state.seq === 0) checkpoints?.beginChain();
  const seals = new LogSeals({
    ops,
    checkpoints,
    hasKey: chain?.signer !== undefined || chain?.epochKeys !== undefined,
    everyMs: (chain?.checkpointEverySeconds ?? 60) * 1000,
    keep: rotation?.keep ?? Infinity,
    clock,
  }, log);
  log.onWritten = (rotated) => seals.written(rotated);
  seals.written(false);
  const floods = !coalesce ? undefined : new Coalescer(
    limits as { perWindow: number; windowMs: number; maxKeys: number; maxWaiting: number },
    clock,
    durability !== "buffered",
    (event, weight, wait) =>
      log.writeOwn(
        event,
        weight,
        wait && ((error) => error === undefined ? wait.resolve() : wait.reject(error)),
      ),
  );
  return new FileSink(log, seals, floods, onSigterm);
}

class FileSink implements JsonLinesSink {
  readonly name = "json-lines";
  readonly writer: string;
  readonly #log: LogWriter;
  readonly #seals: LogSeals;
  readonly #floods: Coalescer | undefined;
  readonly #unlisten: () => void;
  #closing: Promise<void> | undefined;

  constructor(
    log: LogWriter,
    seals: LogSeals,
    floods: Coalescer | undefined,
    onSigterm: OnSigterm,
  ) {
    this.writer = log.writer;
    this.#log = log;
    this.#seals = seals;
    this.#floods = floods;
    this.#unlisten = flushAtExit(() => {
      floods?.end();
      log.flushNow();
    }, onSigterm);
  }

  write(event: AuditEvent): void | Promise<void> {
    const merged = this.#closing === undefined ? this.#floods?.take(event) : undefined;
    if (merged === undefined) return this.#log.write(event);
    return merged === true ? undefined : merged;
  }

  ready(): Promise<void> {
    return this.#log.ready();
  }

  async flush(): Promise<void> {
    this.#floods?.end();
    await this.#log.flush();
    await this.#seals.checkpoint();
    await this.#seals.settled();
    await this.#log.flush();
  }

  close(signal?: AbortSignal): Promise<void> {
    return this.#closing ??= this.#close(signal);
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    // A disk or a signer that hangs: whoever waits is told, and what can be given back is.
    let isGivenUp = false;
    const giveUp = () => {
      if (isGivenUp) return;
      isGivenUp = true;
      this.#seals.close();
      this.#unlisten();
      this.#log.close();
    };
    signal?.addEventListener("abort", giveUp);
    try {
      if (signal?.aborted) giveUp();
      else await this.flush();
    } finally {
      signal?.removeEventListener("abort", giveUp);
      this.#seals.close();
      if (!signal?.aborted) await this.#seals.settled();
      giveUp();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  stats(): JsonLinesStats {
    return { ...this.#log.stats, coalesced: this.#floods?.merged ?? 0 };
  }
}
