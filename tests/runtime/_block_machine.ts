import { assertEquals } from "@std/assert";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import type { RedisCommand } from "../../src/_internal/redis_command.ts";
import { BlockList, type BlockListOptions } from "../../src/runtime/block_list.ts";
import {
  RedisBlockStore,
  type RedisBlockStoreOptions,
} from "../../src/runtime/redis_block_store.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

/** A list with a clock that stands still, and what it has recorded. */
export interface Machine extends Disposable {
  readonly blocks: BlockList;
  readonly clock: VirtualClock;
  readonly events: readonly AuditEventInput[];
  operations(): readonly string[];
  reasons(): readonly (string | undefined)[];
}

/** Makes a list; when it is disposed of, it must leave no timer. */
export function make(options: BlockListOptions = {}): Machine {
  const clock = new VirtualClock();
  const events: AuditEventInput[] = [];
  const reporter = { report: (event: AuditEventInput) => void events.push(event) };
  const blocks = new BlockList({ clock, reporter, ...options });
  return {
    blocks,
    clock,
    events,
    operations: () => events.map(({ operation, outcome }) => `${operation} ${outcome}`),
    reasons: () => events.map(({ reason }) => reason),
    [Symbol.dispose]: () => {
      blocks.close();
      assertEquals(clock.timers, 0);
    },
  };
}

/** Makes a list with a store of its own on the same Redis. */
export function machine(
  command: RedisCommand,
  { store, ...options }: Omit<BlockListOptions, "store"> & { store?: RedisBlockStoreOptions } = {},
): Machine {
  return make({ store: new RedisBlockStore(command, store), ...options });
}
