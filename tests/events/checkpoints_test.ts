import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { GENESIS } from "../../src/events/_chain.ts";
import { type ChainOptions, Checkpoints } from "../../src/events/_checkpoints.ts";
import { epochMac, nextEpochKey } from "../../src/events/_epochs.ts";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import {
  type EpochClosing,
  type EpochKeyStore,
  type EpochState,
  generateEpochKey,
} from "../../src/events/epoch_keys.ts";
import { openNote } from "../../src/events/signed_note.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { Log } from "./_audit_logs.ts";

const { signer, verifierKey } = await generateAuditLogKeys("log.example.com");
const state = { seq: 7, hash: `${"B".repeat(42)}A=` };

function memoryStore(key: Uint8Array): EpochKeyStore & { state: EpochState } {
  const store = {
    state: { epoch: 0, key } as EpochState,
    load: () => Promise.resolve(store.state),
    save: (next: EpochState) => {
      store.state = next;
      return Promise.resolve();
    },
  };
  return store;
}

Deno.test("Checkpoints.make() makes a checkpoint in a signed note", async () => {
  const made = await new Checkpoints({ signer }, new VirtualClock()).make(state);
  assertEquals(Object.keys(made), ["note"]);
  const text = `log.example.com\n7\n${state.hash}\n`;
  assertEquals(await openNote(made["note"] as string, [verifierKey]), {
    text,
    signedBy: [verifierKey],
  });
});

Deno.test("Checkpoints.makePrune() makes a note that is no checkpoint, and names segments", async () => {
  const checkpoints = new Checkpoints({ signer, origin: "app log" }, new VirtualClock());
  const { note } = await checkpoints.makePrune(state, ["a.jsonl", "b\n\x1b.jsonl"]);
  const opened = await openNote(note as string, [verifierKey]);
  assertEquals(opened?.signedBy, [verifierKey]);
  assertEquals(
    opened?.text,
    `app log\n7\n${state.hash}\nprune\n"a.jsonl"\n"b\\n\\u001b.jsonl"\n`,
  );
});

Deno.test("Checkpoints.isDue() counts records and seconds, but not its own record", async () => {
  const log = new Log({ signer, checkpointEveryRecords: 3, checkpointEverySeconds: 10 });
  const isDue = () => log.checkpoints.isDue(log.state);
  assert(!isDue());
  // What the run before left is not known.
  assert(log.add().checkpoints.isDue(log.state));
  await log.seal();
  for (const due of [false, false, true]) assertEquals(log.add().checkpoints.isDue(log.state), due);
  await log.seal();
  log.clock.advance(3_600_000);
  assert(!isDue());
  log.add();
  assert(isDue());
  await log.seal();
  log.add();
  log.clock.advance(9_999);
  assert(!isDue());
  log.clock.advance(1);
  assert(isDue());
});

Deno.test("Checkpoints.isDue() is false where there is no key", () => {
  assert(!new Checkpoints({}, new VirtualClock()).isDue(state));
  assert(
    new Checkpoints({ epochKeys: memoryStore(generateEpochKey()) }, new VirtualClock()).isDue(
      state,
    ),
  );
});

Deno.test("Checkpoints.make() rejects in time when a signer hangs, and another is due later", async () => {
  const clock = new VirtualClock();
  let signal: AbortSignal | undefined;
  const hanging = {
    ...signer,
    sign: (_: Uint8Array, options?: { readonly signal?: AbortSignal }) => {
      signal = options?.signal;
      return new Promise<Uint8Array>(() => {});
    },
  };
  const checkpoints = new Checkpoints({ signer: hanging }, clock);
  assert(checkpoints.isDue(state));
  const made = checkpoints.make(state);
  assert(!checkpoints.isDue(state));
  await until(() => clock.timers === 1);
  clock.advance(5_000);
  await assertRejects(() => made, DOMException, "No answer in time");
  assert(signal?.aborted);
  assertEquals(clock.timers, 0);
  assert(!checkpoints.isDue(state));
  clock.advance(10_000);
  assert(checkpoints.isDue(state));
});

Deno.test("Checkpoints.make() rejects when a signer or a store of keys fails", async () => {
  const fail = () => Promise.reject(new Error("out of order"));
  const store = memoryStore(generateEpochKey());
  const broken: ChainOptions[] = [
    { signer: { ...signer, sign: fail } },
    {
      signer: {
        ...signer,
        sign: () => {
          throw new Error("out of order");
        },
      },
    },
    { epochKeys: { ...store, load: fail } },
    { epochKeys: { ...store, save: fail } },
  ];
  for (const options of broken) {
    const checkpoints = new Checkpoints(options, new VirtualClock());
    await assertRejects(() => checkpoints.make(state), Error, "out of order");
    await assertRejects(() => checkpoints.makePrune(state, []), Error, "out of order");
  }
  const none = { load: () => Promise.resolve(undefined), save: fail };
  const checkpoints = new Checkpoints({ epochKeys: none }, new VirtualClock());
  await assertRejects(() => checkpoints.make(state), Error, "no key of an epoch");
});

Deno.test("Checkpoints.make() hands each note over, and says when it could not", async () => {
  const clock = new VirtualClock();
  const notes: string[] = [];
  const given = new Checkpoints({ signer, onCheckpoint: (note) => void notes.push(note) }, clock);
  const made = await given.make(state);
  assertEquals(made, { note: notes[0], published: true });
  const failing = new Checkpoints(
    { signer, onCheckpoint: () => Promise.reject(new Error()) },
    clock,
  );
  assertEquals((await failing.make(state))["published"], false);
  const hanging = new Checkpoints({ signer, onCheckpoint: () => new Promise(() => {}) }, clock);
  const waiting = hanging.make(state);
  await until(() => clock.timers === 1 && notes.length === 1);
  while (clock.timers > 0) {
    clock.advance(5_000);
    await turn();
  }
  assertEquals((await waiting)["published"], false);
});

Deno.test("Checkpoints.make() closes an epoch each time, and saves the next key first", async () => {
  const key = generateEpochKey();
  const store = memoryStore(key);
  const checkpoints = new Checkpoints({ epochKeys: store }, new VirtualClock());
  const text = `bartizan-audit-log\n7\n${state.hash}\n`;
  const first = await checkpoints.make(state);
  assertEquals(first, { note: text, epoch: 0, mac: epochMac(0, key, text).toBase64() });
  const pending = [first] as unknown as EpochClosing[];
  assertEquals(store.state, { epoch: 1, key: nextEpochKey(key), pending });
  // Both at once take one key each.
  const [second, third] = await Promise.all([
    checkpoints.make(state),
    checkpoints.makePrune(state, []),
  ]);
  assertEquals([second["epoch"], third["epoch"]], [1, 2]);
  assertEquals(store.state.epoch, 3);
});

Deno.test("Checkpoints.make() tells each closing again until its record is in the log", async () => {
  const store = memoryStore(generateEpochKey());
  const closing = ({ note, epoch, mac }: Record<string, unknown>) => ({ note, epoch, mac });
  const told: unknown[] = [];
  // Each of these programs is killed between the save and the record.
  for (let crashes = 0; crashes < 3; crashes++) {
    const made = await new Checkpoints({ epochKeys: store }, new VirtualClock()).make(state);
    assertEquals(made["earlier"], crashes === 0 ? undefined : told);
    told.push(closing(made));
  }
  const checkpoints = new Checkpoints({ epochKeys: store }, new VirtualClock());
  const made = await checkpoints.make(state);
  assertEquals(made["earlier"], told);
  assertEquals((await checkpoints.make(state))["earlier"], [...told, closing(made)]);
  checkpoints.kept();
  assertEquals(Object.keys(await checkpoints.make(state)), ["note", "epoch", "mac"]);
});

Deno.test("Checkpoints.kept() keeps nothing of what failed to be made", async () => {
  const store = memoryStore(generateEpochKey());
  await new Checkpoints({ epochKeys: store }, new VirtualClock()).make(state);
  const { save } = store;
  store.save = () => Promise.reject(new Error("out of order"));
  const checkpoints = new Checkpoints({ epochKeys: store }, new VirtualClock());
  await assertRejects(() => checkpoints.make(state));
  store.save = save;
  checkpoints.kept();
  assertEquals(((await checkpoints.make(state))["earlier"] as unknown[]).length, 1);
});

Deno.test("Checkpoints.make() tells 64 closings at most, and closes no epoch beyond them", async () => {
  const store = memoryStore(generateEpochKey());
  const make = () => new Checkpoints({ epochKeys: store }, new VirtualClock()).make(state);
  for (let crashes = 0; crashes < 64; crashes++) await make();
  for (let more = 0; more < 3; more++) {
    const made = await make();
    assertEquals(Object.keys(made), ["note", "earlier"]);
    assertEquals((made["earlier"] as unknown[]).length, 64);
  }
  assertEquals(store.state.epoch, 64);
  const checkpoints = new Checkpoints({ epochKeys: store }, new VirtualClock());
  await checkpoints.make(state);
  checkpoints.kept();
  const { epoch, earlier } = await checkpoints.make(state);
  assertEquals([epoch, earlier], [64, undefined]);
});

Deno.test("Checkpoints.beginChain() leaves out what closed epochs of another chain", async () => {
  const store = memoryStore(generateEpochKey());
  const make = () => new Checkpoints({ epochKeys: store }, new VirtualClock()).make(state);
  await make();
  await make();
  const checkpoints = new Checkpoints({ epochKeys: store }, new VirtualClock());
  checkpoints.beginChain();
  const { epoch, earlier } = await checkpoints.make(state);
  assertEquals([epoch, earlier], [2, undefined]);
  assertEquals(((await checkpoints.make(state))["earlier"] as unknown[]).length, 1);
});

Deno.test("Checkpoints.make() waits for a save that is late, which would bring an old key back", async () => {
  const clock = new VirtualClock();
  const store = memoryStore(generateEpochKey());
  const { save } = store;
  let finish = () => {};
  store.save = (next) => new Promise((resolve) => finish = () => resolve(save(next)));
  const checkpoints = new Checkpoints({ epochKeys: store }, clock);
  for (let attempt = 0; attempt < 2; attempt++) {
    const late = checkpoints.make(state);
    await until(() => clock.timers === 1);
    clock.advance(5_000);
    await assertRejects(() => late, DOMException, "No answer in time");
  }
  assertEquals(store.state.epoch, 0);
  store.save = save;
  finish();
  const { epoch, earlier } = await checkpoints.make(state);
  assertEquals([epoch, (earlier as unknown[]).length], [1, 1]);
  assertEquals(store.state.epoch, 2);
});

Deno.test("Checkpoints.makePrune() works without a key", async () => {
  const made = await new Checkpoints({}, new VirtualClock()).makePrune(state, ["a"]);
  assertEquals(made, { note: `bartizan-audit-log\n7\n${state.hash}\nprune\n"a"\n` });
});

Deno.test("new Checkpoints() throws when an option is wrong", () => {
  const wrong: readonly [ChainOptions, new () => Error][] = [
    [{ checkpointEveryRecords: 0 }, RangeError],
    [{ checkpointEveryRecords: NaN }, RangeError],
    [{ checkpointEverySeconds: Infinity }, RangeError],
    [{ checkpointEverySeconds: -1 }, RangeError],
    [{ checkpointEverySeconds: "60" as unknown as number }, TypeError],
    [{ origin: "" }, TypeError],
    [{ origin: "a\nb" }, TypeError],
    [{ origin: "a\x1bb" }, TypeError],
    [{ signer: {} as typeof signer }, TypeError],
    [{ signer: { ...signer, name: "a b" } }, TypeError],
    [{ epochKeys: {} as EpochKeyStore }, TypeError],
    [{ onCheckpoint: "x" as unknown as () => void }, TypeError],
  ];
  for (const [options, kind] of wrong) {
    const error = assertThrows(() => new Checkpoints(options, new VirtualClock()));
    assertEquals((error as Error).constructor, kind, JSON.stringify(options));
    assertMatch((error as Error).message, /Cannot/);
  }
  assert(new Checkpoints({}, new VirtualClock()).isDue(GENESIS) === false);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

async function until(holds: () => boolean): Promise<void> {
  for (let at = 0; at < 1000 && !holds(); at++) await turn();
  assert(holds());
}
