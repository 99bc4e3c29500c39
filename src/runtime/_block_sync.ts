import type { Clock, ClockTimer } from "../_internal/clock.ts";
import type { BlockStore, BlockTarget, SharedBlock } from "./block_store.ts";

/** What a list does for its exchange with a store. */
export interface BlockSyncHost {
  /** A block that is in force here. */
  describe(id: string): SharedBlock | undefined;
  /** Takes what another machine has said. */
  learn(block: SharedBlock): void;
  /** The names of all blocks in force. */
  ids(): Iterable<string>;
  /** Says that the store fails, or answers again. */
  note(event: "failed" | "recovered" | "unreadable", cause?: unknown): void;
}

/** Options of {@linkcode BlockSync}. */
export interface BlockSyncOptions {
  readonly store: BlockStore;
  readonly clock: Clock;
  readonly capacity: number;
  readonly host: BlockSyncHost;
}

/** What the store has to be told. */
interface Change {
  /** The target, if its block was lifted. */
  readonly lifted: BlockTarget | undefined;
  /** When that happened here. */
  readonly sinceMs: number;
  /** While it is under way. */
  sent: Promise<void> | undefined;
}

/** How many blocks are sent at once: every one of them waits on the same signal. */
const BATCH = 64;
/** How many answers are asked for in a row, before others have their turn. */
const ROUNDS_A_TURN = 64;

/**
 * Keeps a list and a store in step: what happens here is sent at once, and again until the store has taken it;
 * what happens elsewhere is asked for every so often. Requests never wait for it.
 */
export class BlockSync {
  readonly #store: BlockStore;
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #host: BlockSyncHost;
  readonly #closing = new AbortController();
  readonly #pending = new Map<string, Change>();
  /** Who waits for a target to be sent. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #cursor: string | undefined;
  #rewinds = 0;
  /** Whether all was taken up since the start, or the last rewind. */
  #isCaughtUp = false;
  #underWay = 0;
  #running: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  #timer: ClockTimer | undefined;
  #hasFailed = false;

  constructor({ store, clock, capacity, host }: BlockSyncOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#capacity = capacity;
    this.#host = host;
  }

  /** Asks now, and then every so often. */
  start(): void {
    void this.refresh();
  }

  /** Whether others have still to hear that a block was lifted here. */
  isLifting(id: string): boolean {
    return this.#pending.get(id)?.lifted !== undefined;
  }

  /** Whether nothing happened here to a target after it was lifted elsewhere; then nothing is sent of it. */
  giveWay(id: string, liftedAtMs: number): boolean {
    const change = this.#pending.get(id);
    if (change === undefined) return true;
    if (liftedAtMs <= change.sinceMs) return false;
    this.#pending.delete(id);
    this.#tell(id);
    return true;
  }

  /**
   * Sends a block, or that it was lifted; settles when the store has it, or has failed: after those that came
   * before, and not after those that come later. A store that is known to fail gets it with the next exchange:
   * nobody waits for it again and again.
   */
  async push(id: string, lifted?: BlockTarget): Promise<void> {
    this.later(id, lifted);
    if (this.#closing.signal.aborted || this.#hasFailed) return;
    try {
      if (this.#underWay < BATCH) await this.#send(id);
      else if (this.#isCaughtUp) await this.#sentInTurn(id);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Has a block, or that it was lifted, sent with the next exchange. */
  later(id: string, lifted?: BlockTarget, sinceMs: number = this.#clock.monotonicMs()): void {
    // A store that stays away must not make this grow. What is lost are blocks that others then have to
    // find out for themselves, and liftings, which end by themselves.
    if (this.#pending.size >= this.#capacity && !this.#pending.has(id)) return;
    this.#pending.set(id, { lifted, sinceMs, sent: undefined });
  }

  /** Has everything asked for again, before anything is sent: what was taken up meanwhile may be out of date. */
  rewind(): void {
    this.#cursor = undefined;
    this.#isCaughtUp = false;
    this.#rewinds++;
  }

  /** Exchanges what is new; never rejects. */
  refresh(): Promise<void> {
    return this.#running ??= this.#exchange().finally(() => {
      this.#running = undefined;
      this.#arm();
    });
  }

  /** Ends; what is under way is given up. */
  close(): void {
    this.#timer?.cancel();
    this.#closing.abort();
    this.#pending.clear();
    for (const id of this.#waiting.keys()) this.#tell(id);
  }

  #arm(): void {
    this.#timer?.cancel();
    if (this.#closing.signal.aborted) return;
    this.#timer = this.#clock.setTimer(() => void this.refresh(), this.#store.pollMs);
  }

  async #exchange(): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    try {
      // First: a block that the store does not take must make nobody deaf.
      await this.#receive(signal);
      await this.#flush();
      this.#succeed();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #receive(signal: AbortSignal): Promise<void> {
    for (let round = 1; !signal.aborted; round++) {
      const rewinds = this.#rewinds;
      const { cursor, blocks, hasMore, isReset, unreadable = 0 } = await this.#store.changes(
        this.#cursor,
        { signal },
      );
      if (signal.aborted) return;
      // A store that was emptied forgets what all of us have seen: it is told again.
      if (isReset) {
        for (const id of this.#host.ids()) {
          if (!this.#pending.has(id)) this.later(id, undefined, -Infinity);
        }
      }
      for (const block of blocks) this.#host.learn(block);
      if (unreadable > 0) this.#host.note("unreadable");
      if (rewinds === this.#rewinds) {
        this.#cursor = cursor;
        this.#isCaughtUp = !hasMore;
        if (!hasMore) return;
      }
      if (round % ROUNDS_A_TURN === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Sends all that is pending; everybody who wants that waits for the same. */
  async #flush(): Promise<void> {
    if (this.#pending.size > 0) await (this.#flushing ??= this.#sendPending());
  }

  /** Waits until the target was sent with the others, or could not be. */
  #sentInTurn(id: string): Promise<void> {
    const sent = new Promise<void>((resolve) => {
      const others = this.#waiting.get(id);
      if (others === undefined) this.#waiting.set(id, [resolve]);
      else others.push(resolve);
    });
    this.#flush().catch((cause) => this.#fail(cause)).finally(() => {
      // What the table had no room for is not sent at all.
      if (!this.#pending.has(id)) this.#tell(id);
    });
    return sent;
  }

  #tell(id: string): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const resolve of waiting ?? []) resolve();
  }

  async #sendPending(): Promise<void> {
    try {
      let batch: Promise<void>[] = [];
      // This also comes to what is added meanwhile.
      for (const id of this.#pending.keys()) {
        batch.push(this.#send(id));
        if (batch.length < BATCH) continue;
        await allOf(batch);
        batch = [];
      }
      await allOf(batch);
    } finally {
      this.#flushing = undefined;
    }
  }

  async #send(id: string): Promise<void> {
    const change = this.#pending.get(id);
    if (change !== undefined) await (change.sent ??= this.#put(id, change));
  }

  async #put(id: string, change: Change): Promise<void> {
    this.#underWay++;
    let isTaken = false;
    try {
      // A store may throw at once, and then the change is not yet known to be under way.
      await undefined;
      const { lifted } = change;
      // A block that has ended since is no news for anybody.
      const block = lifted === undefined
        ? this.#host.describe(id)
        : { target: lifted, reason: "", level: 0, remainingMs: 0 };
      if (block !== undefined) await this.#store.put(id, block, { signal: this.#closing.signal });
      isTaken = true;
    } finally {
      this.#underWay--;
      change.sent = undefined;
      this.#tell(id);
      // Unless something else has happened to it in the meantime.
      if (this.#pending.get(id) === change) {
        this.#pending.delete(id);
        // Behind the others, which may have more luck.
        if (!isTaken) this.#pending.set(id, change);
      }
    }
  }

  #succeed(): void {
    if (!this.#hasFailed || this.#closing.signal.aborted) return;
    this.#hasFailed = false;
    this.#host.note("recovered");
  }

  /** Told once: a store that is away for an hour must not fill the log. */
  #fail(cause: unknown): void {
    for (const id of this.#waiting.keys()) this.#tell(id);
    if (this.#hasFailed || this.#closing.signal.aborted) return;
    this.#hasFailed = true;
    this.#host.note("failed", cause);
  }
}

/** Waits for all, and fails when one has failed. */
async function allOf(batch: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(batch)) {
    if (result.status === "rejected") throw result.reason;
  }
}
