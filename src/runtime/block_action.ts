import { parseIp } from "../_internal/ip.ts";
import { integerOption } from "../_internal/options.ts";
import { MAX_BLOCK_MS } from "./_block_snapshot.ts";
import type { BlockList } from "./block_list.ts";
import type { BlockTarget } from "./block_store.ts";

/** Options of {@linkcode blockAction}. */
export interface BlockActionOptions {
  /** How long, in milliseconds. @default {what the back-off of the list says} */
  readonly forMs?: number;
}

/** What is read of an alert. */
export interface BlockableAlert {
  /** Name of the rule. */
  readonly rule: string;
  /** What may be blocked, as far as this side has verified it; `null` for nothing. */
  readonly target: BlockTarget | null;
}

/**
 * Makes an action for the rules of alerts: it blocks who has caused one.
 *
 * It blocks nothing but what the alert calls blockable, so never a principal whom somebody only claimed to be,
 * and no source that is no IP address, such as a Unix socket: behind that are all clients of a proxy.
 *
 * @example
 * ```ts
 * import { blockAction, BlockList } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * using blocks = new BlockList();
 * const action = blockAction(blocks, { forMs: 60_000 });
 * await action({ rule: "failed logins", target: { principal: "alice", source: "203.0.113.7" } });
 * assertEquals(blocks.isBlocked({ principal: "alice", source: "203.0.113.7" }) !== undefined, true);
 * assertEquals(blocks.isBlocked({ principal: "alice", source: "198.51.100.1" }), undefined);
 * ```
 *
 * @param blocks The list.
 * @param options For how long.
 * @returns The action, which settles when the block is recorded.
 * @throws {RangeError} If `forMs` is out of range.
 */
export function blockAction(
  blocks: Pick<BlockList, "block">,
  options: BlockActionOptions = {},
): (alert: BlockableAlert) => Promise<void> {
  const { forMs } = options;
  integerOption("make an action", "forMs", forMs, { otherwise: 1, least: 1, most: MAX_BLOCK_MS });
  return async ({ rule, target }) => {
    if (target === null) return;
    if (target.source !== undefined && parseIp(target.source, { allowZone: true }) === undefined) {
      return;
    }
    await blocks.block(target, {
      reason: `alert: ${rule}`,
      ...(forMs === undefined ? {} : { forMs }),
    });
  };
}
