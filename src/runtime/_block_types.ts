import type { AuditReporter } from "../events/audit_event.ts";
import type { Clock } from "../_internal/clock.ts";
import type { BackOffOptions } from "./_back_off.ts";
import type { BlockStore, BlockTarget } from "./block_store.ts";

/** Options of {@linkcode BlockList}. */
export interface BlockListOptions {
  /** Most blocks at once, most offenders that are remembered, and most counts of violations. @default {100_000} */
  readonly capacity?: number;
  /** What is never blocked, whoever asks for it. @default {[]} */
  readonly allow?: readonly BlockTarget[];
  /** How long blocks last that do not say it. @default {10 minutes, doubling up to a week} */
  readonly backOff?: BackOffOptions;
  /** How many bits of an IPv6 address make a source, from 32 to 128. @default {64} */
  readonly ipv6PrefixLength?: number;
  /** Where other machines' blocks come from, and ours go to. @default {undefined} */
  readonly store?: BlockStore;
  /** Where blocks are recorded. @default {silentReporter} */
  readonly reporter?: AuditReporter;
  /** Time. @default {systemClock} */
  readonly clock?: Clock;
}

/** Options of {@linkcode BlockList.block}. */
export interface BlockOptions {
  /** Why, for the operator; longer ones than 256 characters are cut. */
  readonly reason: string;
  /** How long, in milliseconds, at most 100 years. @default {what the back-off says} */
  readonly forMs?: number;
  /** Lets a network be larger than a /8 of IPv4 or a /32 of IPv6. @default {false} */
  readonly dangerouslyAllowWide?: boolean;
}

/** Options of {@linkcode BlockList.recordViolation}. */
export interface ViolationOptions extends BlockOptions {
  /** How many violations lead to a block, from 1 to 1000. @default {5} */
  readonly threshold?: number;
  /** In what time, in milliseconds. @default {60_000} */
  readonly withinMs?: number;
  /**
   * What counts together: violations with the same name, `threshold` and `withinMs`. Choose it yourself; who is
   * counted must have no say in it.
   *
   * @default {""}
   */
  readonly rule?: string;
}

/** A block that is in force. */
export interface Block {
  /** What is blocked; a source alone is shown as a network. */
  readonly target: BlockTarget;
  /** Why, for the operator. */
  readonly reason: string;
  /** When it ends, in milliseconds since the epoch, as the clock on the wall now says. */
  readonly untilMs: number;
  /** How long it still lasts, in milliseconds. */
  readonly retryAfterMs: number;
}

/** Whom a request comes from. */
export interface BlockQuery {
  /** On whose behalf, as verified, or as claimed to find out about blocks of a principal with its source. */
  readonly principal?: string | undefined;
  /** From where: `address` of what {@linkcode createClientAddress} said. */
  readonly source?: string | undefined;
  /** With which key. */
  readonly key?: string | undefined;
}
