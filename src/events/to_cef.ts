import { escapeJson } from "./_json_line.ts";
import {
  classOf,
  detailsText,
  epochMs,
  ipVersion,
  levelsOf,
  messageOf,
  methodOf,
  portOf,
} from "./_event_kinds.ts";
import type { AuditEvent } from "./audit_event.ts";

/** Options of {@linkcode toCef}. */
export interface CefOptions {
  /** Who makes the product. @default {"Bartizan"} */
  readonly vendor?: string;
  /** What writes the line: your application. @default {"Bartizan"} */
  readonly product?: string;
  /** Its version. @default {"0"} */
  readonly version?: string;
}

/**
 * An event as one line of the Common Event Format, version 0, without a line feed.
 *
 * Keys are those of the format's dictionary: `rt`, `end`, `externalId`, `cat`, `act`, `outcome`, `reason`, `msg`,
 * `suser`, `src` and `spt` (`c6a2` for IPv6, `shost` for what is no address), `filePath`, `request`,
 * `requestMethod`. What it has no key for is in `cs1` to `cs6`, `cn1` and `cfp1`, each with its label.
 *
 * Nothing in a value ends the line, the value or the header: `\`, `|` and `=` are escaped as the format says, CR
 * and LF become `\r` and `\n`, and what a reader cannot see, or a terminal obeys, becomes the text `\uXXXX`
 * with its backslash escaped, which is what a parser of the format then reads.
 *
 * @example
 * ```ts
 * import { type AuditEvent, toCef } from "@bartizan/security";
 * import { assert } from "@std/assert";
 *
 * const event: AuditEvent = {
 *   id: "6f1c", seq: 1, kind: "file.read", outcome: "denied", severity: "warning",
 *   time: "2026-01-02T03:04:05.678Z", recordedAt: "2026-01-02T03:04:05.679Z",
 *   correlationId: "c-1", details: {}, principal: "eve outcome=success",
 * };
 * const line = toCef(event, { vendor: "ACME", product: "notes", version: "1.2" });
 * assert(line.startsWith("CEF:0|ACME|notes|1.2|file.read|file.read: denied|5|"));
 * assert(line.includes("suser=eve outcome\\=success"));
 * ```
 *
 * @param event The event.
 * @param options What the header says of your application.
 * @returns The line.
 */
export function toCef(event: AuditEvent, options: CefOptions = {}): string {
  const { vendor = "Bartizan", product = "Bartizan", version = "0" } = options;
  const { kind, outcome, severity, source } = event;
  const { subject } = classOf(kind);
  const name = `${kind}: ${outcome}`;
  const header = [vendor, product, version, kind, name].map(headerText).join("|");
  let extension = "";
  const add = (key: string, value: string | number | undefined) => {
    if (value !== undefined) extension += `${extension && " "}${key}=${valueText(String(value))}`;
  };
  const addLabelled = (key: string, label: string, value: string | number | undefined) => {
    if (value === undefined) return;
    add(`${key}Label`, label);
    add(key, value);
  };
  add("rt", epochMs(event.recordedAt));
  add("end", epochMs(event.time));
  add("externalId", event.id);
  add("cat", kind);
  add("act", event.operation ?? kind);
  add("outcome", outcome);
  add("reason", event.reason ?? event.code);
  add("msg", messageOf(event));
  add("suser", event.principal);
  if (source !== undefined) {
    const ip = ipVersion(source.address);
    if (ip === 6) addLabelled("c6a2", "Source IPv6 Address", source.address);
    else add(ip === 4 ? "src" : "shost", source.address);
    add("spt", portOf(source.port));
  }
  if (subject === "url") add("requestMethod", methodOf(event));
  addLabelled("cs1", "Correlation ID", event.correlationId);
  addLabelled("cs2", "Code", event.code);
  addLabelled("cs3", "Confidence", confidences(event));
  addLabelled("cs4", "Client trace", event.traceparent ?? event.clientCorrelationId);
  if (subject === "file") add("filePath", event.resource);
  else if (subject === "url") add("request", event.resource);
  else addLabelled("cs5", "Resource", event.resource);
  addLabelled("cs6", "Details", detailsText(event));
  addLabelled("cn1", "Sequence", event.seq);
  addLabelled("cfp1", "Duration ms", event.durationMs);
  return `CEF:0|${header}|${levelsOf(severity).cef}|${extension}`;
}

/** How sure the names are, and under which key they are hashed. */
function confidences({ principalConfidence, source, hashKeyId }: AuditEvent): string | undefined {
  const words = [
    principalConfidence && `principal ${principalConfidence}`,
    source && `source ${source.confidence}`,
    hashKeyId && `hashed ${hashKeyId}`,
  ].filter(Boolean);
  return words.length === 0 ? undefined : words.join(", ");
}

const PLAIN = /^[\x20-\x3c\x3e-\x5b\x5d-\x7b\x7d\x7e]*$/;

function headerText(text: string): string {
  if (PLAIN.test(text)) return text;
  return visible(text).replace(/[\r\n]/g, escapeUnit).replace(/[\\|]/g, "\\$&");
}

function valueText(text: string): string {
  if (PLAIN.test(text)) return text;
  return visible(text).replace(/[\\=]/g, "\\$&").replace(/\r/g, "\\r").replace(/\n/g, "\\n");
}

/** Makes text of what is not seen or what acts, but for line ends, for which values have an escape. */
function visible(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is looked for.
  return escapeJson(text.toWellFormed().replace(/[\0-\x09\x0b\x0c\x0e-\x1f]/g, escapeUnit));
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
