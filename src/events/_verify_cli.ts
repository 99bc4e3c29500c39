/**
 * The verifier as a command.
 *
 * @module
 */

import { join } from "@std/path/join";
import { SecurityError } from "../errors.ts";
import { decodeBase64 } from "./_hash.ts";
import { escapeJson, escapeText } from "./_json_line.ts";
import {
  type AuditLogReport,
  verifyAuditLog,
  type VerifyAuditLogOptions,
} from "./verify_audit_log.ts";

/** Where the command writes to. */
export interface VerifyCliContext {
  /** Standard output. */
  readonly out: (text: string) => void;
  /** Standard error. */
  readonly error: (text: string) => void;
}

const HELP = `Verify audit logs: was a record changed, removed, added or moved?

Usage:
  verify FILE… [options]   files of one or more logs in any order; of a folder, all its *.jsonl

Options:
  --key KEY              a key that checkpoints are signed with, as <name>+<hash>+<base64>;
                         may be given more than once
  --epoch-key-file FILE  the key of the first epoch: 32 bytes, or their base64
  --checkpoint FILE      the latest checkpoint that was kept elsewhere: the only thing that shows
                         that the end of a log was cut off; may be given more than once
  --origin TEXT          what the checkpoints call the log: where a key signs several logs, the only
                         thing that shows that one was put in the place of another
  --max-skipped-epochs N how many epochs may be missing at the beginning of a log
  --json                 print the report as JSON
  --help

Exit code: 0 verified, 1 not as it was written, 2 could not run, 3 the hashes hold, but no key was
given, so whoever could write the file could have made them.
`;

const MAX_INPUT_BYTES = 1024 * 1024;
/** Notes that are printed; a hostile log may bring about many. */
const MAX_NOTES = 4;

/** A mistake of whoever runs the command. */
class UsageError extends Error {}

interface Arguments {
  readonly paths: string[];
  readonly keys: string[];
  readonly checkpoints: string[];
  epochKeyFile?: string;
  origin?: string;
  maxSkippedEpochs?: string;
  json: boolean;
  help: boolean;
}

/**
 * Runs the command line of the verifier.
 *
 * @param args Arguments without the name of the program.
 * @param context Where it writes to.
 * @returns The exit code: 0 verified, 1 tampered with, 2 could not run, 3 no key stands behind it.
 */
export async function runVerifyCli(
  args: readonly string[],
  { out, error }: VerifyCliContext,
): Promise<number> {
  try {
    const given = parse(args);
    if (given.help) {
      out(HELP);
      return 0;
    }
    const hasKeys = given.keys.length > 0 || given.epochKeyFile !== undefined;
    const options = await optionsOf(given);
    const report = await verifyAuditLog(await expand(given.paths), options);
    out(given.json ? `${escapeJson(JSON.stringify(report, null, 2))}\n` : human(report, hasKeys));
    if (!report.ok) return 1;
    return hasKeys ? 0 : 3;
  } catch (reason) {
    if (reason instanceof SecurityError) {
      const { path = "" } = reason.details;
      const cause = reason.cause instanceof Error ? reason.cause.message : "";
      error(`error[${reason.code}]: ${reason.message}: ${escapeText(`${path}: ${cause}`)}\n`);
    } else {
      const message = reason instanceof Error ? reason.message : String(reason);
      const hint = reason instanceof UsageError ? "\n`--help` lists the options." : "";
      error(`error: ${escapeText(message)}${hint}\n`);
    }
    return 2;
  }
}

function parse(args: readonly string[]): Arguments {
  const given: Arguments = { paths: [], keys: [], checkpoints: [], json: false, help: false };
  let isOver = false;
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] as string;
    if (isOver || argument === "-" || !argument.startsWith("-")) {
      given.paths.push(argument);
      continue;
    }
    const [name, ...rest] = argument.split("=");
    const value = (): string => {
      const text = rest.length > 0 ? rest.join("=") : args[++at];
      if (text === undefined) throw new UsageError(`${name} needs a value`);
      return text;
    };
    if (name === "--key") given.keys.push(value());
    else if (name === "--checkpoint") given.checkpoints.push(value());
    else if (name === "--origin") given.origin = once(name, given.origin, value());
    else if (name === "--max-skipped-epochs") {
      given.maxSkippedEpochs = once(name, given.maxSkippedEpochs, value());
    } else if (name === "--epoch-key-file") {
      given.epochKeyFile = once(name, given.epochKeyFile, value());
    } else if (argument === "--json") given.json = true;
    else if (argument === "--help" || argument === "-h") given.help = true;
    else if (argument === "--") isOver = true;
    else throw new UsageError(`There is no option ${argument}`);
  }
  if (given.paths.length === 0 && !given.help) throw new UsageError("No file is given");
  return given;
}

/** Of two, one would be silently left out. */
function once(name: string, before: string | undefined, value: string): string {
  if (before !== undefined) throw new UsageError(`${name} is given twice`);
  return value;
}

async function optionsOf(given: Arguments): Promise<VerifyAuditLogOptions> {
  const { keys, epochKeyFile, origin, maxSkippedEpochs } = given;
  if (maxSkippedEpochs !== undefined && !/^[0-9]+$/.test(maxSkippedEpochs)) {
    throw new UsageError("--max-skipped-epochs needs a number");
  }
  const checkpoints: string[] = [];
  for (const path of given.checkpoints) {
    checkpoints.push(new TextDecoder("utf-8", { fatal: true }).decode(await readInput(path)));
  }
  return {
    keys,
    checkpoints,
    ...origin === undefined ? {} : { origin },
    ...maxSkippedEpochs === undefined ? {} : { maxSkippedEpochs: Number(maxSkippedEpochs) },
    ...epochKeyFile === undefined ? {} : { epochKey: await readEpochKey(epochKeyFile) },
  };
}

async function readEpochKey(path: string): Promise<Uint8Array> {
  const bytes = await readInput(path);
  if (bytes.length === 32) return bytes;
  const key = decodeBase64(new TextDecoder().decode(bytes).trim());
  if (key?.length === 32) return key;
  throw new UsageError(`${path} holds no key of an epoch`);
}

async function readInput(path: string): Promise<Uint8Array> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile || size > MAX_INPUT_BYTES) throw new TypeError("no small file");
    return await Deno.readFile(path);
  } catch (cause) {
    throw unreadable("A file cannot be read", path, cause);
  }
}

/** The files of a folder: all of them, as a segment that is left out is a segment that is missing. */
async function expand(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    try {
      if (!(await Deno.stat(path)).isDirectory) {
        found.push(path);
        continue;
      }
      const names: string[] = [];
      for await (const { name } of Deno.readDir(path)) {
        if (name.endsWith(".jsonl")) names.push(name);
      }
      found.push(...names.sort().map((name) => join(path, name)));
    } catch (cause) {
      throw unreadable("An audit log cannot be read", path, cause);
    }
  }
  if (found.length === 0) throw new UsageError("There is no *.jsonl in the folder");
  return found;
}

function unreadable(message: string, path: string, cause: unknown): SecurityError {
  return new SecurityError("audit-log-unreadable", message, { details: { path }, cause });
}

function human(report: AuditLogReport, hasKeys: boolean): string {
  const { failure, notes, records, segments, checkpoints, chains } = report;
  const read = `${count(records, "record")} in ${count(segments, "file")}, ` +
    `${count(checkpoints, "checkpoint")}`;
  const lines: string[] = [];
  if (failure !== undefined) {
    lines.push(
      `TAMPERED ${failure.cause}: ${escapeText(failure.path)}:${failure.line}`,
      `  ${escapeText(failure.message)}.`,
      `  Read until then: ${read}.`,
    );
  } else if (!hasKeys) {
    lines.push(
      `UNPROVEN: ${read}: all hashes hold.`,
      "  No key was given, so whoever could write the file could have made them: give --key.",
    );
  } else {
    lines.push(`VERIFIED: ${read}.`);
    const open = chains.filter(({ unsigned }) => unsigned > 0);
    if (open.length > 0) {
      const numbers = open.map(({ signedThrough, lastSeq }) => `${signedThrough + 1}-${lastSeq}`);
      const shown = numbers.slice(0, MAX_NOTES).join(", ");
      const more = numbers.length > MAX_NOTES ? " and others" : "";
      lines.push(`  No checkpoint covers records ${shown}${more} yet: no key stands behind them.`);
    }
    const late = chains.filter(({ firstEpoch = 0 }) => firstEpoch > 0);
    for (const { firstEpoch, paths: [path = ""] } of late.slice(0, MAX_NOTES)) {
      lines.push(
        `  ${escapeText(path)}: attested from epoch ${firstEpoch} on: ` +
          "whoever had its key could have made the whole chain.",
      );
    }
    if (late.length > MAX_NOTES) {
      lines.push(`  So are ${late.length - MAX_NOTES} more: see --json.`);
    }
  }
  lines.push(...notes.slice(0, MAX_NOTES).map((note) => `  Note: ${escapeText(note)}.`));
  if (notes.length > MAX_NOTES) lines.push(`  ${notes.length - MAX_NOTES} more notes: see --json.`);
  return `${lines.join("\n")}\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
