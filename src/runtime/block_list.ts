import { SecurityError } from "../errors.ts";
import { silentReporter } from "../events/audit_event.ts";
import { type Clock, systemClock } from "../_internal/clock.ts";
import { parseIp } from "../_internal/ip.ts";
import { checkNames, integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import { Allowed } from "./_allowed.ts";
import { BlockAudit } from "./_block_audit.ts";
import {
  type BlockListSnapshot,
  checkSnapshot,
  MAX_BLOCK_MS,
  restoredPlace,
  shorten,
  takeSnapshot,
} from "./_block_snapshot.ts";
import { BlockBook } from "./_block_book.ts";
import { BlockSync } from "./_block_sync.ts";
import type { BlockEntry } from "./_block_table.ts";
import { checkWidth, nameOf, networkOfSource, pairId, placeOf } from "./_block_target.ts";
import { type BackOffOptions, readBackOff } from "./_back_off.ts";
import { readRule, Violations } from "./_offenders.ts";
import type {
  Block,
  BlockListOptions,
  BlockOptions,
  BlockQuery,
  ViolationOptions,
} from "./_block_types.ts";
import type { BlockTarget, SharedBlock } from "./block_store.ts";

export type {
  BackOffOptions,
  Block,
  BlockListOptions,
  BlockListSnapshot,
  BlockOptions,
  BlockQuery,
  ViolationOptions,
};

const PURPOSE = "make a BlockList";
/**
 * Who may not come in for a while: principals, keys, addresses and networks.
 *
 * - A source is an IPv4 address or the /64 of an IPv6 address. Every network counts that contains an address.
 * - Who is blocked again within `forgetAfterMs` of the last block is blocked for longer. A block is only ever
 *   prolonged; only {@linkcode BlockList.unblock} shortens one.
 * - What `allow` lists is never blocked: an address also not by a network around it, a principal also not
 *   together with a source. It shields nothing else: a blocked principal stays out at an allowed address.
 * - Block what this side has verified. A name that a failed login claims is somebody else's: block it together
 *   with its source, or anybody can lock anybody out.
 * - Memory is bounded: when `capacity` is reached, the block goes that would have ended first, which is recorded.
 *   So who can have as many others blocked as that gets rid of a shorter block.
 * - Durations are measured on a clock that does not jump. Snapshots hold times of the clock on the wall.
 * - With a `store`, every machine blocks what one of them saw, after the store's `pollMs` at the latest. No
 *   request waits for the store. While it is away, all blocks stay in force that a machine knows.
 * - Every block, its end and its lifting are recorded as `runtime.block`; refused requests are not, which is for
 *   the caller.
 *
 * @example
 * ```ts
 * import { BlockList, SecurityError } from "@bartizan/security";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * using blocks = new BlockList({ allow: [{ source: "203.0.113.10" }] });
 * await blocks.block({ network: "203.0.113.0/24" }, { reason: "scanner" });
 *
 * assertThrows(() => blocks.enforce({ source: "203.0.113.7" }), SecurityError);
 * assertEquals(blocks.isBlocked({ source: "203.0.113.7" })?.retryAfterMs! > 599_000, true);
 * assertEquals(blocks.isBlocked({ source: "203.0.113.10" }), undefined);
 * ```
 */
export class BlockList implements Disposable {
  readonly #capacity: number;
  readonly #ipv6PrefixLength: number;
  readonly #clock: Clock;
  readonly #allowed: Allowed;
  readonly #audit: BlockAudit;
  readonly #book: BlockBook;
  readonly #violations: Violations;
  readonly #sync: BlockSync | undefined;
  #isClosed = false;

  /**
   * Makes a list. With a `store` it begins to ask it; {@linkcode BlockList.refresh} waits for that.
   *
   * @param options Capacity, allow list, back-off and store.
   * @throws {TypeError} If an option is of the wrong type, or `allow` lists what is no target.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(options: BlockListOptions = {}) {
    checkNames(PURPOSE, options, [
      "capacity",
      "allow",
      "backOff",
      "ipv6PrefixLength",
      "store",
      "reporter",
      "clock",
    ]);
    const { store, reporter = silentReporter, clock = systemClock, allow = [] } = options;
    this.#capacity = integerOption(PURPOSE, "capacity", options.capacity, {
      otherwise: 100_000,
      least: 1,
      most: 5_000_000,
    });
    this.#ipv6PrefixLength = integerOption(PURPOSE, "ipv6PrefixLength", options.ipv6PrefixLength, {
      otherwise: 64,
      least: 32,
      most: 128,
    });
    if (!Array.isArray(allow)) throw wrongOption(PURPOSE, "allow", "a list", allow);
    this.#allowed = new Allowed(allow);
    this.#clock = clock;
    this.#audit = new BlockAudit(reporter);
    this.#book = new BlockBook({
      capacity: this.#capacity,
      backOff: readBackOff(options.backOff),
      clock,
      audit: this.#audit,
    });
    this.#violations = new Violations(this.#capacity);
    if (store === undefined) return;
    integerOption(PURPOSE, "store.pollMs", store.pollMs, {
      otherwise: 0,
      least: 1,
      most: MAX_TIMEOUT_MS,
    });
    this.#sync = new BlockSync({
      store,
      clock,
      capacity: this.#capacity,
      host: {
        describe: (id) => this.#describe(id),
        learn: (block) => this.#learn(block),
        ids: () => Array.from(this.#book.table.values(), ({ id }) => id),
        note: (event, cause) => this.#audit.store(event, cause),
      },
    });
    this.#sync.start();
  }

  /** How many blocks are in force. */
  get size(): number {
    return this.#book.table.size;
  }

  /**
   * Blocks, from this call on. The promise only says that it is recorded, and that the store has it or fails; it
   * then gets it later.
   *
   * While a target is blocked, another block without `forMs` changes nothing: one offence that two rules
   * notice counts once.
   *
   * @param target What.
   * @param options Why and for how long.
   * @returns The block, or `undefined` if the allow list has the target.
   * @throws {TypeError} If the target is none, or the reason is no string.
   * @throws {RangeError} If the network is too wide, or the time is out of range.
   * @throws {SecurityError} `closed`; whatever the reporter throws. The block is in force nevertheless.
   */
  async block(target: BlockTarget, options: BlockOptions): Promise<Block | undefined> {
    this.#checkOpen();
    const { reason, forMs, dangerouslyAllowWide = false } = options;
    if (typeof reason !== "string") throw wrongOption("block", "reason", "a string", reason);
    const place = placeOf(target, this.#ipv6PrefixLength);
    checkWidth(place, dangerouslyAllowWide);
    const chosenMs = forMs === undefined
      ? undefined
      : integerOption("block", "forMs", forMs, { otherwise: 0, least: 1, most: MAX_BLOCK_MS });
    if (this.#allowed.hasPlace(place)) {
      await this.#audit.refused(place, shorten(reason));
      return undefined;
    }
    const nowMs = this.#clock.monotonicMs();
    const known = this.#book.live(place.id, nowMs);
    if (known !== undefined && (chosenMs === undefined || nowMs + chosenMs <= known.untilMs)) {
      return this.#shown(known, nowMs);
    }
    const level = this.#book.offenders.level(place.id, nowMs);
    const lastsMs = chosenMs ?? this.#book.lastsMs(level);
    const entry = this.#book.put(place, shorten(reason), level, nowMs + lastsMs);
    this.#book.remember(entry, level + 1);
    const shown = this.#shown(entry, nowMs);
    await Promise.all([
      this.#audit.changed("block", entry, { forMs: lastsMs, level }),
      this.#sync?.push(entry.id),
    ]);
    return shown;
  }

  /**
   * Lifts a block. Blocks of other targets that also match stay, such as of a network around an address.
   *
   * @param target What was blocked. A name that begins with `sha256-` is one that a block has shown.
   * @returns Whether it was.
   * @throws {TypeError} If the target is none.
   * @throws {SecurityError} `closed`; whatever the reporter throws, and then the block stays.
   */
  async unblock(target: BlockTarget): Promise<boolean> {
    this.#checkOpen();
    // It may have been copied from a block.
    const place = placeOf(target, this.#ipv6PrefixLength, { isKept: true });
    if (this.#book.live(place.id, this.#clock.monotonicMs()) === undefined) return false;
    // What cannot be recorded must not happen.
    await this.#audit.ready();
    const entry = this.#book.live(place.id, this.#clock.monotonicMs());
    if (entry === undefined) return false;
    this.#book.remove(entry);
    await Promise.all([
      this.#audit.changed("unblock", entry, {}),
      this.#sync?.push(entry.id, entry.target),
    ]);
    return true;
  }

  /**
   * Tells whether a request is blocked; asks nobody. Of several blocks it gives the one that ends last.
   *
   * It never throws for what a client sent: a source that is no IP address is in no network.
   *
   * @param query Whom it comes from.
   * @returns The block, or `undefined`.
   */
  isBlocked({ principal, source, key }: BlockQuery): Block | undefined {
    if (this.#book.table.size === 0) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const allowed = this.#allowed;
    let last: BlockEntry | undefined;
    const consider = (entry: BlockEntry | undefined) => {
      if (entry !== undefined && entry.untilMs > (last?.untilMs ?? nowMs)) last = entry;
    };
    const isPrincipal = typeof principal === "string" && !allowed.hasPrincipal(principal);
    if (isPrincipal) consider(this.#book.table.get(`p:${nameOf(principal)}`));
    if (typeof key === "string" && !allowed.hasKey(key)) {
      consider(this.#book.table.get(`k:${nameOf(key)}`));
    }
    const ip = typeof source === "string" ? parseIp(source, { allowZone: true }) : undefined;
    if (ip !== undefined && !allowed.hasIp(ip)) {
      for (const entry of this.#book.table.containing(ip)) consider(entry);
      if (isPrincipal && this.#book.table.pairs > 0) {
        const network = networkOfSource(ip, this.#ipv6PrefixLength);
        consider(this.#book.table.get(pairId(nameOf(principal), network)));
      }
    }
    return last === undefined ? undefined : this.#shown(last, nowMs);
  }

  /**
   * Refuses a request that is blocked.
   *
   * @param query Whom it comes from.
   * @throws {SecurityError} `blocked`, with `retryAfterMs` in its details; not the reason, which is the operator's.
   */
  enforce(query: BlockQuery): void {
    const block = this.isBlocked(query);
    if (block === undefined) return;
    throw new SecurityError("blocked", "Blocked for now", {
      details: { retryAfterMs: block.retryAfterMs },
    });
  }

  /**
   * Counts a violation, and blocks when there are too many of the same rule in the time. Violations of who is
   * blocked already do not count.
   *
   * @param target Whose.
   * @param options Why, how many, in what time, and for how long.
   * @returns The block that is in force, or `undefined`.
   * @throws What {@linkcode BlockList.block} throws.
   */
  async recordViolation(
    target: BlockTarget,
    options: ViolationOptions,
  ): Promise<Block | undefined> {
    this.#checkOpen();
    const rule = readRule(options);
    const place = placeOf(target, this.#ipv6PrefixLength);
    const nowMs = this.#clock.monotonicMs();
    const entry = this.#book.live(place.id, nowMs);
    if (entry !== undefined) return this.#shown(entry, nowMs);
    if (this.#allowed.hasPlace(place)) return undefined;
    if (!this.#violations.note(place.id, nowMs, rule)) return undefined;
    return await this.block(target, options);
  }

  /**
   * Gives what is in force, as plain JSON, to survive a restart.
   *
   * @returns The snapshot. It names principals and addresses: keep it as you keep the audit log.
   */
  snapshot(): BlockListSnapshot {
    return takeSnapshot(this.#book, this.#clock);
  }

  /**
   * Takes up a snapshot: all of it, or nothing. Blocks that are in force are only ever prolonged.
   *
   * A block lasts until the time in the snapshot, by the clock on the wall. A clock that now shows an earlier
   * time than when the snapshot was taken makes no block longer than it was then. What another machine has
   * lifted since then stays lifted, once the store has said so.
   *
   * Keep a snapshot where nobody else can write: whoever can change it can block anybody, and whole networks.
   *
   * @param snapshot What {@linkcode BlockList.snapshot} gave, such as from `JSON.parse`.
   * @returns How many blocks it had that are still in force.
   * @throws {SecurityError} `json-invalid` if it is no snapshot, or has more than `capacity`; `closed`.
   */
  restore(snapshot: unknown): number {
    this.#checkOpen();
    const { takenAtMs, blocks, offenders } = checkSnapshot(snapshot, this.#capacity);
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = Math.max(takenAtMs, this.#clock.wallMs());
    const happenedMs = nowMs - (sinceMs - takenAtMs);
    const places = blocks.map(({ target }) => restoredPlace(target, this.#ipv6PrefixLength));
    for (const { id, level, forgetAtMs } of offenders) {
      const leftMs = forgetAtMs - sinceMs;
      if (leftMs > 0) this.#book.offenders.set(id, { level, forgetAtMs: nowMs + leftMs });
    }
    let restored = 0;
    blocks.forEach(({ reason, level, untilMs }, at) => {
      const place = places[at]!;
      const endsMs = nowMs + untilMs - sinceMs;
      if (endsMs <= nowMs || this.#allowed.hasPlace(place)) return;
      restored++;
      this.#book.put(place, reason, level, endsMs);
      this.#sync?.later(place.id, undefined, happenedMs);
    });
    this.#sync?.rewind();
    this.#audit.restored(restored);
    return restored;
  }

  /**
   * Exchanges blocks with the store now, such as before a server takes its first request. Without a store
   * there is nothing to do.
   *
   * @returns A promise that settles when it is done, or has failed, which is recorded and never thrown.
   */
  async refresh(): Promise<void> {
    await this.#sync?.refresh();
  }

  /** Stops timers and the exchange with the store. What is blocked stays blocked as long as the list is asked. */
  close(): void {
    this.#isClosed = true;
    this.#book.close();
    this.#sync?.close();
  }

  /** Closes the list. */
  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new SecurityError("closed", "The block list is closed");
  }

  #shown({ target, reason, untilMs }: BlockEntry, nowMs: number): Block {
    const retryAfterMs = Math.max(0, Math.ceil(untilMs - nowMs));
    return {
      target,
      reason,
      untilMs: Math.round(this.#clock.wallMs()) + retryAfterMs,
      retryAfterMs,
    };
  }

  #describe(id: string): SharedBlock | undefined {
    const nowMs = this.#clock.monotonicMs();
    const entry = this.#book.live(id, nowMs);
    if (entry === undefined) return undefined;
    const { target, reason, level, untilMs } = entry;
    return { target, reason, level, remainingMs: Math.ceil(untilMs - nowMs) };
  }

  #learn({ target, reason, level, remainingMs, liftedAgoMs = Infinity }: SharedBlock): void {
    const place = placeOf(target, this.#ipv6PrefixLength, { isKept: true });
    const nowMs = this.#clock.monotonicMs();
    const known = this.#book.live(place.id, nowMs);
    if (remainingMs === 0) {
      // What happened here after it was lifted there may not have been sent yet.
      if (known === undefined || !this.#sync?.giveWay(place.id, nowMs - liftedAgoMs)) return;
      this.#book.remove(known);
      this.#audit.happened("unblock", known, { learned: true });
      return;
    }
    if (this.#allowed.hasPlace(place) || this.#sync?.isLifting(place.id)) return;
    const entry = this.#book.put(place, shorten(reason), level, nowMs + remainingMs);
    this.#book.remember(entry, level + 1);
    if (known === undefined) this.#audit.happened("block", entry, { learned: true, level });
  }
}
