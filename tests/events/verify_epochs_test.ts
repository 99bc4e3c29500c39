import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHmac } from "node:crypto";
import { type ChainState, GENESIS } from "../../src/events/_chain.ts";
import { epochMac, nextEpochKey } from "../../src/events/_epochs.ts";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import {
  type EpochKeyStore,
  type EpochState,
  generateEpochKey,
} from "../../src/events/epoch_keys.ts";
import { type AuditLogReport, verifyAuditLog } from "../../src/events/verify.ts";
import { framing, Log, reseal, withFiles } from "./_audit_logs.ts";

interface Store extends EpochKeyStore {
  state: EpochState;
}

function storeOf(state: EpochState): Store {
  const store: Store = {
    state,
    load: () => Promise.resolve(store.state),
    save: (next) => {
      store.state = next;
      return Promise.resolve();
    },
  };
  return store;
}

const epochKey = generateEpochKey();

/** Five epochs of four records and a checkpoint. */
async function written(): Promise<{ log: Log; store: Store }> {
  const store = storeOf({ epoch: 0, key: epochKey });
  const log = new Log({ epochKeys: store });
  for (let epoch = 0; epoch < 5; epoch++) {
    log.addMany(4);
    await log.seal();
  }
  return { log, store };
}

async function verify(
  lines: readonly string[],
  options: Parameters<typeof verifyAuditLog>[1] = { epochKey },
): Promise<AuditLogReport> {
  let report: AuditLogReport | undefined;
  await withFiles({ "audit.jsonl": lines }, async (path) => {
    report = await verifyAuditLog([path("audit.jsonl")], options);
  });
  return report!;
}

function outcome({ failure }: AuditLogReport): string {
  return failure === undefined ? "ok" : `${failure.cause}:${failure.line}`;
}

/** Makes the log anew from a line on, and its checkpoints with the key of an epoch. */
function rewrite(lines: readonly string[], number: number, stolen: EpochState): string[] {
  const keyOf = (epoch: number): Uint8Array => {
    let { key } = stolen;
    // There is no way back: for epochs before the theft, the attacker takes what there is.
    for (let at = stolen.epoch; at < epoch; at++) key = nextEpochKey(key);
    return key;
  };
  let forged = reseal(lines, number, framing);
  for (let at = number; at <= forged.length; at++) {
    const { kind, details } = JSON.parse(forged[at - 1]!);
    if (kind !== "audit.checkpoint") continue;
    const { seq, hash } = JSON.parse(forged[at - 2]!) as ChainState;
    const note = `bartizan-audit-log\n${seq}\n${hash}\n`;
    const mac = epochMac(details.epoch, keyOf(details.epoch), note).toBase64();
    forged = reseal(
      forged,
      at,
      (record) => record["details"] = { note, epoch: details.epoch, mac },
    );
  }
  return forged;
}

Deno.test("verifyAuditLog() follows the epochs of a log", async () => {
  const { log, store } = await written();
  const report = await verify(log.lines);
  assertEquals([outcome(report), report.signedThrough, report.unsigned], ["ok", 24, 0]);
  assertEquals(store.state.epoch, 5);
  assertEquals(outcome(await verify(log.lines, { epochKey: generateEpochKey() })), "resealed:5");
});

Deno.test("verifyAuditLog() sees that a thief of a key changed epochs before the theft", async () => {
  const { log, store } = await written();
  for (const [number, line] of [[1, 5], [6, 10], [12, 15], [24, 25]] as const) {
    assertEquals(
      outcome(await verify(rewrite(log.lines, number, store.state))),
      `resealed:${line}`,
    );
  }
  // What is written after the theft is in the thief's hands.
  const later = await written();
  later.log.addMany(4);
  const stolen = later.store.state;
  await later.log.seal();
  assertEquals(outcome(await verify(rewrite(later.log.lines, 26, stolen))), "ok");
});

Deno.test("control: with one key for ever, a thief changes whatever was written", async () => {
  const { log } = await written();
  const mac = (lines: readonly string[], key: Uint8Array) =>
    createHmac("sha256", key).update(lines.join("\n")).digest("base64");
  const holds = (file: { readonly lines: readonly string[]; readonly code: string }) =>
    mac(file.lines, epochKey) === file.code;
  assert(holds({ lines: log.lines, code: mac(log.lines, epochKey) }));
  const forged = reseal(log.lines, 1, framing);
  assert(!holds({ lines: forged, code: mac(log.lines, epochKey) }));
  // What verifies lies on the machine, and so it also makes the code.
  const stolen = epochKey;
  assert(holds({ lines: forged, code: mac(forged, stolen) }));
  // The same with our own, if the key of the first epoch had been kept.
  assertEquals(outcome(await verify(rewrite(log.lines, 1, { epoch: 0, key: epochKey }))), "ok");
});

/** Changes of what a checkpoint says about its epoch. */
const lies: Readonly<Record<string, readonly [Record<string, unknown>, string]>> = {
  "the number of a later epoch": [{ epoch: 3 }, "resealed:10"],
  "the number of an earlier epoch": [{ epoch: 0 }, "resealed:10"],
  "a number as a string": [{ epoch: "1" }, "resealed:10"],
  "a number that does not end": [{ epoch: Number.MAX_SAFE_INTEGER }, "resealed:10"],
  "a number below zero": [{ epoch: -1 }, "resealed:10"],
  "no number": [{ epoch: undefined }, "resealed:10"],
  "no code": [{ mac: undefined }, "resealed:10"],
  "another code": [{ mac: GENESIS.hash }, "resealed:10"],
  "neither": [{ mac: undefined, epoch: undefined }, "unsigned:10"],
};

Deno.test("verifyAuditLog() checks the number of each epoch", async () => {
  const { log } = await written();
  for (const [name, [change, expected]] of Object.entries(lies)) {
    const lied = reseal(log.lines, 10, (record) => {
      record["details"] = { ...record["details"] as object, ...change };
    });
    assertEquals(outcome(await verify(lied)), expected, name);
  }
});

/** Verifies without a look at the order of epochs, as in CVE-2023-31439. */
function eachCodeHolds(lines: readonly string[]): boolean {
  return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "audit.checkpoint")
    .every(({ details: { note, epoch, mac } }) => {
      let key: Uint8Array = epochKey;
      for (let at = 0; at < epoch; at++) key = nextEpochKey(key);
      return epochMac(epoch, key, note).toBase64() === mac;
    });
}

Deno.test("verifyAuditLog() sees that a checkpoint was cut out, with all that it covers", async () => {
  const { log, store } = await written();
  // Cut after the second epoch, and go on with the key of the sixth, which was stolen.
  const cut = new Log({ epochKeys: storeOf(store.state) }, "w1", log.states[10]).addMany(3);
  await cut.seal();
  const forged = [...log.lines.slice(0, 10), ...cut.lines];
  assertEquals(outcome(await verify(forged)), "resealed:14");
  // Control: each code is right for the number beside it, which is what a hasty verifier looks at.
  assert(eachCodeHolds(forged));
  // Nor does the number help whose turn it is.
  const renumbered = storeOf({ epoch: 2, key: store.state.key });
  const other = new Log({ epochKeys: renumbered }, "w1", log.states[10]).addMany(3);
  await other.seal();
  assertEquals(outcome(await verify([...log.lines.slice(0, 10), ...other.lines])), "resealed:14");
});

Deno.test("verifyAuditLog() takes an epoch whose checkpoint a crash kept out of the log", async () => {
  const { log } = await written();
  log.addMany(2);
  await log.checkpoints.make(log.state);
  log.addMany(2);
  await log.seal();
  const report = await verify(log.lines);
  assertEquals([outcome(report), report.signedThrough], ["ok", 29]);
  // What was to be covered then was changed since.
  const forged = reseal(log.lines, 26, framing);
  assertEquals(outcome(await verify(forged)), "resealed:30");
});

Deno.test("verifyAuditLog() takes all epochs that crashes in a row kept out of the log", async () => {
  const { log } = await written();
  for (let crash = 0; crash < 3; crash++) {
    log.addMany(2);
    await log.checkpoints.make(log.state);
  }
  log.addMany(2);
  await log.seal();
  const report = await verify(log.lines);
  assertEquals([outcome(report), report.signedThrough, report.unsigned], ["ok", 33, 0]);
  // What one of them covered was changed, or one is left out.
  assertEquals(outcome(await verify(reseal(log.lines, 29, framing))), "resealed:34");
  for (const left of [0, 1, 2]) {
    const lied = reseal(log.lines, 34, (record) => {
      const details = record["details"] as { readonly earlier: readonly { epoch: number }[] };
      const earlier = details.earlier.filter(({ epoch }) => epoch !== 5 + left);
      record["details"] = { ...details, earlier };
    });
    assertEquals(outcome(await verify(lied)), "resealed:34", `${left}`);
  }
});

Deno.test("verifyAuditLog() takes a checkpoint that closes no epoch, as too many wait", async () => {
  const { log } = await written();
  for (let crash = 0; crash < 64; crash++) {
    log.add();
    await log.checkpoints.make(log.state);
  }
  log.add();
  await log.seal();
  const { details } = JSON.parse(log.lines.at(-1)!);
  assertEquals([details.epoch, details.earlier.length], [undefined, 64]);
  // No key of an epoch stands behind the last record, but for those that waited.
  const report = await verify(log.lines);
  assertEquals([outcome(report), report.signedThrough, report.unsigned], ["ok", 89, 1]);
  const lied = reseal(log.lines, log.lines.length, (record) => {
    record["details"] = { ...details, earlier: details.earlier.slice(1) };
  });
  assertEquals(outcome(await verify(lied)), "unsigned:91");
});

/** A chain that begins with some epoch. */
async function begun(epoch: number, details: Record<string, unknown>): Promise<Log> {
  let key: Uint8Array = epochKey;
  for (let at = 0; at < epoch; at++) key = nextEpochKey(key);
  const log = new Log({ epochKeys: storeOf({ epoch, key }) }).add({ kind: "audit.start", details });
  for (let count = 0; count < 2; count++) {
    log.addMany(3);
    await log.seal();
  }
  return log;
}

Deno.test("verifyAuditLog() takes a later epoch first only where a chain says that it begins anew", async () => {
  const { lines } = await begun(200, { continues: false });
  const report = await verify(lines);
  assertEquals([outcome(report), report.chains[0]?.firstEpoch], ["ok", 200]);
  assertEquals(outcome(await verify((await begun(200, { continues: true })).lines)), "resealed:5");
  assertEquals(outcome(await verify((await begun(200, {})).lines)), "resealed:5");
  const [chain] = (await verify((await begun(0, { continues: false })).lines)).chains;
  assertEquals(chain?.firstEpoch, 0);
});

Deno.test("verifyAuditLog() says from which epoch on a log is attested", async () => {
  const { log, store } = await written();
  // Who has the key of epoch 5 makes up all of the log, as if it were the rest of a longer one.
  const forged = new Log({ epochKeys: storeOf(store.state) }, "w1", log.states[3]).addMany(9);
  await forged.prune(forged.states[0]!, ["1.jsonl"]);
  await forged.seal();
  const report = await verify(forged.lines);
  assertEquals([outcome(report), report.chains[0]?.firstEpoch], ["ok", 5]);
  assertEquals((await verify(log.lines)).chains[0]?.firstEpoch, 0);
});

Deno.test("verifyAuditLog() derives no more keys of epochs than it may", async () => {
  const { lines } = await begun(130, { continues: false });
  for (const [maxSkippedEpochs, expected] of [[130, "ok"], [129, "too-many-epochs:5"]] as const) {
    assertEquals(outcome(await verify(lines, { epochKey, maxSkippedEpochs })), expected);
  }
  const far = reseal(lines, 5, (record) => {
    record["details"] = { ...record["details"] as object, epoch: 2 ** 18 + 1 };
  });
  assertEquals(outcome(await verify(far)), "too-many-epochs:5");
  for (const maxSkippedEpochs of [-1, NaN, 0.5, Infinity]) {
    await assertRejects(() => verify(lines, { epochKey, maxSkippedEpochs }), RangeError);
  }
});

Deno.test("verifyAuditLog() takes a log whose first epochs were removed, and not too many", async () => {
  const store = storeOf({ epoch: 0, key: epochKey });
  const log = new Log({ epochKeys: store });
  for (let epoch = 0; epoch < 3; epoch++) {
    log.addMany(4);
    await log.seal();
  }
  await log.prune(log.states[7]!, ["1.jsonl"]);
  const report = await verify(log.lines.slice(7));
  assertEquals(outcome(report), "ok");
  assertStringIncludes(report.notes.join(), "begins with record 8");
  // Without the prune, and with one of another key.
  assertEquals(outcome(await verify(log.lines.slice(7, -1))), "pruned:1");
  // Followed one by one, so many would take days.
  const far = reseal(log.lines.slice(7), 3, (record) => {
    record["details"] = { ...record["details"] as object, epoch: 2 ** 40 };
  });
  assertEquals(outcome(await verify(far)), "too-many-epochs:3");
});

Deno.test("verifyAuditLog() wants signatures and epochs, if it is given keys of both", async () => {
  const { signer, verifierKey } = await generateAuditLogKeys("log");
  const keys = [verifierKey];
  const both = new Log({ signer, epochKeys: storeOf({ epoch: 0, key: epochKey }) }).addMany(2);
  await both.seal();
  assertEquals(outcome(await verify(both.lines, { epochKey, keys })), "ok");
  const signed = new Log({ signer }).addMany(2);
  await signed.seal();
  assertEquals(outcome(await verify(signed.lines, { epochKey, keys })), "unsigned:3");
  const { log } = await written();
  assertEquals(outcome(await verify(log.lines, { epochKey, keys })), "unsigned:5");
});
