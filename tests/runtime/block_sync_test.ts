import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { BlockList } from "../../src/runtime/block_list.ts";
import type { BlockChanges, BlockStore, SharedBlock } from "../../src/runtime/block_store.ts";
import { RedisBlockStore } from "../../src/runtime/redis_block_store.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const HOUR = 3_600_000;

/** A store in this process that all lists of a test share, on their clock. */
class SharedStore implements BlockStore {
  readonly pollMs = 1000;
  readonly puts: string[] = [];
  refuses: (id: string) => boolean = () => false;
  readonly #clock: VirtualClock;
  /** The last change of every target. */
  readonly #changes = new Map<string, { block: SharedBlock; atMs: number; version: number }>();
  #version = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  put(id: string, block: SharedBlock): Promise<void> {
    this.puts.push(id);
    if (this.refuses(id)) return Promise.reject(new Error("no room"));
    this.#changes.set(id, { block, atMs: this.#clock.monotonicMs(), version: ++this.#version });
    return Promise.resolve();
  }

  changes(cursor: string | undefined): Promise<BlockChanges> {
    const news = [...this.#changes.values()].filter(({ version }) => version > Number(cursor ?? 0));
    const blocks = news.map(({ block, atMs }) => ({
      ...block,
      ...(block.remainingMs === 0 ? { liftedAgoMs: this.#clock.monotonicMs() - atMs } : {}),
    }));
    return Promise.resolve({
      cursor: `${this.#version}`,
      blocks,
      hasMore: false,
      isReset: false,
    });
  }
}

function make(store: BlockStore, clock: VirtualClock) {
  const events: AuditEventInput[] = [];
  const reporter = { report: (event: AuditEventInput) => void events.push(event) };
  const blocks = new BlockList({ store, clock, reporter });
  return { blocks, events, [Symbol.dispose]: () => blocks.close() };
}

Deno.test("BlockList hears of others though the store refuses what it has to say", async () => {
  const clock = new VirtualClock();
  const store = new SharedStore(clock);
  let hasRoom = false;
  store.refuses = (id) => {
    if (!hasRoom && id === "k:worse") throw new Error("at once");
    return !hasRoom && id === "k:bad";
  };
  using first = make(store, clock);
  using second = make(store, clock);
  for (const key of ["bad", "worse"]) await first.blocks.block({ key }, { reason: "" });
  for (let at = 0; at < 200; at++) await first.blocks.block({ key: `${at}` }, { reason: "" });
  await second.blocks.block({ source: "192.0.2.66" }, { reason: "" });
  await first.blocks.refresh();
  assert(first.blocks.isBlocked({ source: "192.0.2.66" }) !== undefined);
  // One that is always refused does not keep the others back either.
  for (let count = 0; count < 5; count++) await first.blocks.refresh();
  await second.blocks.refresh();
  assertEquals(second.blocks.size, 201);
  assertEquals(first.events.filter(({ operation }) => operation === "store").length, 1);
  hasRoom = true;
  await first.blocks.refresh();
  await second.blocks.refresh();
  assertEquals(second.blocks.size, 203);
});

Deno.test("BlockList.refresh() takes up all that a store has, and lets others have their turn", async () => {
  const total = 20_000;
  const page = 50;
  const store: BlockStore = {
    pollMs: 1000,
    put: () => Promise.resolve(),
    changes(cursor) {
      const from = Number(cursor ?? 0);
      const blocks = Array.from({ length: page }, (_, at) => ({
        target: { key: `${from + at}` },
        reason: "",
        level: 0,
        remainingMs: HOUR,
      }));
      const to = from + page;
      return Promise.resolve({ cursor: `${to}`, blocks, hasMore: to < total, isReset: false });
    },
  };
  using list = make(store, new VirtualClock());
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await list.blocks.refresh();
  clearInterval(timer);
  assertEquals(list.blocks.size, total);
  assert(turns > 0);
});

Deno.test("BlockList.refresh() ends with close(), though a store has always more", async () => {
  const store: BlockStore = {
    pollMs: 1000,
    put: () => Promise.resolve(),
    changes: () => Promise.resolve({ cursor: "", blocks: [], hasMore: true, isReset: false }),
  };
  using list = make(store, new VirtualClock());
  const done = list.blocks.refresh();
  setTimeout(() => list.blocks.close(), 5);
  await done;
});

Deno.test("BlockList.restore() does not undo what was lifted since the snapshot", async () => {
  const clock = new VirtualClock();
  const store = new SharedStore(clock);
  using other = make(store, clock);
  const alice = { principal: "alice" };
  const mallory = { principal: "mallory" };
  let snapshot: unknown;
  {
    using before = make(store, clock);
    for (const target of [alice, mallory]) {
      await before.blocks.block(target, { reason: "", forMs: HOUR });
    }
    await other.blocks.refresh();
    await other.blocks.unblock(mallory);
    clock.advance(1000);
    await before.blocks.refresh();
    // Nobody else has heard of this one, which is later than the lifting.
    store.refuses = () => true;
    await before.blocks.block(mallory, { reason: "again", forMs: HOUR });
    clock.advance(1000);
    snapshot = JSON.parse(JSON.stringify(before.blocks.snapshot()));
    store.refuses = () => false;
  }
  clock.advance(1000);
  await other.blocks.unblock(alice);
  clock.advance(1000);
  // Whether it has asked the store before or not.
  for (const asksFirst of [true, false]) {
    using after = make(store, clock);
    if (asksFirst) await after.blocks.refresh();
    assertEquals(after.blocks.restore(snapshot), 2);
    // Not by a flood either, which has everything sent.
    const keys = Array.from({ length: 100 }, (_, at) => `${asksFirst} ${at}`);
    await Promise.all(keys.map((key) => after.blocks.block({ key }, { reason: "" })));
    await after.blocks.refresh();
    await other.blocks.refresh();
    for (const { blocks } of [after, other]) {
      assertEquals(blocks.isBlocked(alice), undefined, `${asksFirst}`);
      assertEquals(blocks.isBlocked(mallory)?.reason, "again", `${asksFirst}`);
    }
  }
});

Deno.test("BlockList lets the newer of a lifting and a block win that was not sent", async () => {
  const clock = new VirtualClock();
  const store = new SharedStore(clock);
  using first = make(store, clock);
  using second = make(store, clock);
  const target = { key: "k" };
  const lift = async () => {
    await second.blocks.refresh();
    assertEquals(await second.blocks.unblock(target), true);
    clock.advance(1);
  };
  await first.blocks.block(target, { reason: "", forMs: HOUR });
  await lift();
  store.refuses = () => true;
  // It prolongs what was lifted elsewhere, of which it has not heard.
  await first.blocks.block(target, { reason: "new", forMs: 2 * HOUR });
  await first.blocks.refresh();
  assertEquals(first.blocks.isBlocked(target)?.reason, "new");
  store.refuses = () => false;
  await first.blocks.refresh();
  await lift();
  await first.blocks.refresh();
  assertEquals(first.blocks.isBlocked(target), undefined);
});

Deno.test("BlockList has a bounded number of blocks under way to a store that hangs", async () => {
  let isFrozen = true;
  let sent = 0;
  let listeners = 0;
  const store: BlockStore = {
    pollMs: 1000,
    put(_id, _block, { signal }) {
      sent++;
      if (!isFrozen) return Promise.resolve();
      listeners++;
      signal.addEventListener("abort", () => {});
      return new Promise((_, reject) => setTimeout(() => reject(new Error("no answer")), 50));
    },
    changes: () => Promise.resolve({ cursor: "", blocks: [], hasMore: false, isReset: false }),
  };
  using list = make(store, new VirtualClock());
  await list.blocks.refresh();
  const keys = Array.from({ length: 2000 }, (_, at) => `${at}`);
  const start = performance.now();
  await Promise.all(keys.map((key) => list.blocks.block({ key }, { reason: "" })));
  assertLess(listeners, 200);
  // While it is known to fail, nobody waits for it.
  const before = sent;
  await list.blocks.block({ key: "one more" }, { reason: "" });
  assertEquals(sent, before);
  assertLess(performance.now() - start, 2000);
  isFrozen = false;
  sent = 0;
  await list.blocks.refresh();
  assertEquals(sent, keys.length + 1);
});

Deno.test("BlockList lets nobody wait for the blocks that come later", async () => {
  let answer: (() => void)[] = [];
  const store: BlockStore = {
    pollMs: 1000,
    put: () => new Promise((resolve) => answer.push(resolve)),
    changes: () => Promise.resolve({ cursor: "", blocks: [], hasMore: false, isReset: false }),
  };
  using list = make(store, new VirtualClock());
  await list.blocks.refresh();
  let settled = 0;
  let added = 0;
  const add = () =>
    void list.blocks.block({ key: `${added++}` }, { reason: "" }).then(() => settled++);
  for (let at = 0; at < 200; at++) add();
  for (let round = 0; round < 20; round++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const ready = answer;
    answer = [];
    for (const resolve of ready) resolve();
    // As many come as the store takes: the flood has no end.
    for (let at = 0; at < ready.length; at++) add();
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertGreater(settled, 500);
});

Deno.test("BlockList sends everything to a store at once that answers, however much it is", async () => {
  const clock = new VirtualClock();
  const store = new SharedStore(clock);
  using list = make(store, clock);
  await list.blocks.refresh();
  const keys = Array.from({ length: 2000 }, (_, at) => `${at}`);
  await Promise.all(keys.map((key) => list.blocks.block({ key }, { reason: "" })));
  assertEquals(new Set(store.puts).size, keys.length);
  // Each of them once.
  assertEquals(store.puts.length, keys.length);
});

Deno.test("RedisBlockStore tells how long ago a block was lifted", async () => {
  const record = `-${JSON.stringify({ target: { key: "k" }, reason: "", level: 0 })}`;
  const command = () => Promise.resolve(["epoch", "1", "0", record, `${24 * HOUR - 5000}`]);
  const { signal } = new AbortController();
  const { blocks } = await new RedisBlockStore(command).changes(undefined, { signal });
  assertEquals(blocks, [{
    target: { key: "k" },
    reason: "",
    level: 0,
    remainingMs: 0,
    liftedAgoMs: 5000,
  }]);
});
