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

/** How many blocks are sent at once. */
const BATCH = 32;
/** How many answers are asked for in a row, before others have their turn. */
const MAX_ROUNDS = 64;

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
  /** What the store has to be told: of a block, or that one was lifted. */
  readonly #pending = new Map<string, { readonly lifted: BlockTarget | undefined }>();
  #cursor: string | undefined;
  #running: Promise<void> | undefined;
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

  /** Whether the store has not yet taken what happened here to a target. */
  isPending(id: string): boolean {
    return this.#pending.has(id);
  }

  /** Sends a block, or that it was lifted; settles when the store has it, or has failed. */
  async push(id: string, lifted?: BlockTarget): Promise<void> {
    this.later(id, lifted);
    if (this.#closing.signal.aborted) return;
    try {
      await this.#send(id);
      this.#succeed();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Has a block, or that it was lifted, sent with the next exchange. */
  later(id: string, lifted?: BlockTarget): void {
    // A store that stays away must not make this grow. What is lost are blocks that others then have to
    // find out for themselves, and liftings, which end by themselves.
    if (this.#pending.size >= this.#capacity && !this.#pending.has(id)) return;
    this.#pending.set(id, { lifted });
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
      await this.#sendPending();
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const { cursor, blocks, hasMore, isReset, unreadable = 0 } = await this.#store.changes(
          this.#cursor,
          { signal },
        );
        if (signal.aborted) return;
        // A store that was emptied forgets what all of us have seen: it is told again.
        if (isReset) { for (const id of this.#host.ids()) this.later(id); }
        for (const block of blocks) this.#host.learn(block);
        if (unreadable > 0) this.#host.note("unreadable");
        this.#cursor = cursor;
        if (!hasMore) break;
      }
      await this.#sendPending();
      this.#succeed();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #sendPending(): Promise<void> {
    const ids = [...this.#pending.keys()];
    for (let at = 0; at < ids.length; at += BATCH) {
      await Promise.all(ids.slice(at, at + BATCH).map((id) => this.#send(id)));
    }
  }

  async #send(id: string): Promise<void> {
    const change = this.#pending.get(id);
    if (change === undefined) return;
    const { lifted } = change;
    // A block that has ended since is no news for anybody.
    const block = lifted === undefined
      ? this.#host.describe(id)
      : { target: lifted, reason: "", level: 0, remainingMs: 0 };
    if (block !== undefined) await this.#store.put(id, block, { signal: this.#closing.signal });
    // Unless something else has happened to it in the meantime.
    if (this.#pending.get(id) === change) this.#pending.delete(id);
  }

  #succeed(): void {
    if (!this.#hasFailed || this.#closing.signal.aborted) return;
    this.#hasFailed = false;
    this.#host.note("recovered");
  }

  /** Told once: a store that is away for an hour must not fill the log. */
  #fail(cause: unknown): void {
    if (this.#hasFailed || this.#closing.signal.aborted) return;
    this.#hasFailed = true;
    this.#host.note("failed", cause);
  }
}
