/** What is blocked. A value is never taken for one of another kind. */
export type BlockTarget =
  | {
    /** Somebody whose name this side has verified; with `source`, only from there. */
    readonly principal: string;
    /** Where from: an IP address. */
    readonly source?: string;
    readonly key?: never;
    readonly network?: never;
  }
  | {
    /** An IP address; for IPv6 that is the whole /64. */
    readonly source: string;
    readonly principal?: never;
    readonly key?: never;
    readonly network?: never;
  }
  | {
    /** The name of a key, such as a thumbprint. It is recorded, so it must be no secret. */
    readonly key: string;
    readonly principal?: never;
    readonly source?: never;
    readonly network?: never;
  }
  | {
    /** Addresses with a common prefix, such as `203.0.113.0/24`. */
    readonly network: string;
    readonly principal?: never;
    readonly source?: never;
    readonly key?: never;
  };

/** A block as machines tell it each other. */
export interface SharedBlock {
  /** What is blocked. */
  readonly target: BlockTarget;
  /** Why, for the operator. */
  readonly reason: string;
  /** How often the offender has been blocked, for the growing back-off. */
  readonly level: number;
  /** How long it still lasts, in milliseconds; 0 says that it was lifted. */
  readonly remainingMs: number;
  /**
   * In answers, how long ago it was lifted, in milliseconds. Without it, a lifting loses against what a list
   * still has to send of the same target, such as from its snapshot.
   *
   * @default {undefined}
   */
  readonly liftedAgoMs?: number;
}

/** What has changed in a store. */
export interface BlockChanges {
  /** Where to go on the next time. */
  readonly cursor: string;
  /** The blocks that were added, prolonged or lifted. */
  readonly blocks: readonly SharedBlock[];
  /** Whether there is more to ask for at once. */
  readonly hasMore: boolean;
  /** Whether the store has forgotten what it knew when the cursor was made, and has to be told again. */
  readonly isReset: boolean;
  /** How many records could not be read, and were left out. @default {0} */
  readonly unreadable?: number;
}

/**
 * Where several machines share their blocks. Every call must settle in a time of the store's own: a list does
 * not ask it on behalf of a request, but it asks one thing after the other.
 */
export interface BlockStore {
  /** How often a list asks for changes, in milliseconds. */
  readonly pollMs: number;

  /**
   * Adds a block, or prolongs it; never shortens it. With `remainingMs` 0 it is lifted, and the
   * others have to hear of it.
   *
   * @param id A name of the target, the same for every list.
   * @param block The block.
   * @param options The signal that ends the wait.
   */
  put(id: string, block: SharedBlock, options: { readonly signal: AbortSignal }): Promise<void>;

  /**
   * Asks what has changed.
   *
   * @param cursor Where the last answer ended; `undefined` asks for everything.
   * @param options The signal that ends the wait.
   * @returns The changes, a bounded number of them.
   */
  changes(
    cursor: string | undefined,
    options: { readonly signal: AbortSignal },
  ): Promise<BlockChanges>;
}
