import { SecurityError } from "../errors.ts";
import type { Clock } from "../_internal/clock.ts";
import type { BlockBook } from "./_block_book.ts";
import { type BlockPlace, placeOf } from "./_block_target.ts";
import type { BlockTarget } from "./block_store.ts";

/** What {@linkcode BlockList.snapshot} gives: plain JSON. */
export interface BlockListSnapshot {
  /** Form of the snapshot. */
  readonly version: 1;
  /** When it was taken, in milliseconds since the epoch. */
  readonly takenAtMs: number;
  /** The blocks that were in force. */
  readonly blocks: readonly {
    readonly target: BlockTarget;
    readonly reason: string;
    readonly level: number;
    /** When it ends, in milliseconds since the epoch. */
    readonly untilMs: number;
  }[];
  /** Who was blocked how often. */
  readonly offenders: readonly {
    readonly id: string;
    readonly level: number;
    /** When that is forgotten, in milliseconds since the epoch. */
    readonly forgetAtMs: number;
  }[];
}

/** Longest reason that is kept. */
export const MAX_REASON = 256;
/** Highest level; by far the longest block is reached before. */
export const MAX_LEVEL = 64;
/** A hundred years. */
export const MAX_BLOCK_MS = 3_155_760_000_000;

const OFFENDER = /^[pkns]:/;
/** The kind, a network and a name of at most 256 characters. */
const MAX_ID = 320;

/** Writes down what is in force. */
export function takeSnapshot(book: BlockBook, clock: Clock): BlockListSnapshot {
  const nowMs = clock.monotonicMs();
  const wallMs = Math.round(clock.wallMs());
  const onTheWall = (monotonicMs: number) => wallMs + Math.ceil(monotonicMs - nowMs);
  const blocks = Array.from(book.table.values()).filter(({ untilMs }) => untilMs > nowMs);
  const offenders = Array.from(book.offenders.entries())
    .filter(([, { forgetAtMs }]) => forgetAtMs > nowMs);
  return {
    version: 1,
    takenAtMs: wallMs,
    blocks: blocks.map(({ target, reason, level, untilMs }) => ({
      target,
      reason,
      level,
      untilMs: onTheWall(untilMs),
    })),
    offenders: offenders.map(([id, { level, forgetAtMs }]) => ({
      id,
      level,
      forgetAtMs: onTheWall(forgetAtMs),
    })),
  };
}

/**
 * Checks a snapshot, which may have been edited, cut off or made by something else.
 *
 * @param value The value.
 * @param capacity How many blocks and offenders there may be.
 * @returns The snapshot; its targets are only known to be objects.
 * @throws {SecurityError} `json-invalid`.
 */
export function checkSnapshot(value: unknown, capacity: number): BlockListSnapshot {
  const { takenAtMs, blocks, offenders } = members(
    value,
    ["version", "takenAtMs", "blocks", "offenders"],
    "snapshot",
  );
  if ((value as { version: unknown }).version !== 1) throw invalid("version");
  const takenAt = checkInteger(takenAtMs, "takenAtMs", Number.MAX_SAFE_INTEGER);
  const latest = takenAt + MAX_BLOCK_MS;
  return {
    version: 1,
    takenAtMs: takenAt,
    blocks: checkList(blocks, capacity, "blocks").map((item) => {
      const block = members(item, ["target", "reason", "level", "untilMs"], "blocks");
      if (typeof block.reason !== "string" || block.reason.length > MAX_REASON) {
        throw invalid("reason");
      }
      return {
        target: block.target as BlockTarget,
        reason: block.reason,
        level: checkInteger(block.level, "level", MAX_LEVEL),
        untilMs: checkInteger(block.untilMs, "untilMs", latest),
      };
    }),
    // Two halves, each of which may have been rounded up.
    offenders: checkList(offenders, capacity + 1, "offenders").map((item) => {
      const offender = members(item, ["id", "level", "forgetAtMs"], "offenders");
      const { id } = offender;
      if (typeof id !== "string" || id.length > MAX_ID || !OFFENDER.test(id)) throw invalid("id");
      return {
        id,
        level: checkInteger(offender.level, "level", MAX_LEVEL),
        forgetAtMs: checkInteger(offender.forgetAtMs, "forgetAtMs", latest + MAX_BLOCK_MS),
      };
    }),
  };
}

/** Reads the target of a block of a snapshot. */
export function restoredPlace(target: unknown, ipv6PrefixLength: number): BlockPlace {
  try {
    return placeOf(target, ipv6PrefixLength, { isKept: true });
  } catch (cause) {
    throw invalid("target", cause);
  }
}

/** The refusal of a snapshot; says which member is wrong. */
function invalid(member: string, cause?: unknown): SecurityError {
  return new SecurityError("json-invalid", "The snapshot of the block list is not valid", {
    details: { member },
    cause,
  });
}

function members(
  value: unknown,
  names: readonly string[],
  member: string,
): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(member);
  const found = Object.keys(value);
  if (found.length !== names.length || !names.every((name) => found.includes(name))) {
    throw invalid(member);
  }
  return value as Record<string, unknown>;
}

function checkList(value: unknown, most: number, member: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > most) throw invalid(member);
  return value;
}

function checkInteger(value: unknown, member: string, most: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > most) {
    throw invalid(member);
  }
  return value as number;
}

/** Reasons may hold what an attacker chose: memory is bounded. */
export function shorten(reason: string): string {
  return reason.length <= MAX_REASON ? reason : reason.slice(0, MAX_REASON - 1) + "…";
}
