import { SecurityError } from "../../errors.ts";
import { CODES } from "../codes.ts";
import { didYouMean } from "../_nearest.ts";
import { parsePackageSpec } from "./package_spec.ts";
import type { DenyEntry, IgnoreEntry, PackageSpec, PositionedText, SpecEntry } from "./policy.ts";
import {
  type Fields,
  listOf,
  matching,
  type Read,
  readBoolean,
  readString,
  readTable,
  setterOf,
  type TomlNode,
} from "./_reader.ts";

/** A text with its place. */
export function positioned(read: Read<string>): Read<PositionedText> {
  return (node) => {
    const text = read(node);
    return text === undefined ? undefined : { text, ...node.position };
  };
}

/** A package spec in a string. */
export function readSpec(node: TomlNode): PackageSpec | undefined {
  const text = readString(node);
  return text === undefined ? undefined : specOf(text, node);
}

function specOf(text: string, node: TomlNode): PackageSpec | undefined {
  try {
    return parsePackageSpec(text);
  } catch (error) {
    if (!(error instanceof SecurityError)) throw error;
    return node.fail(`${node.name}: ${error.message}`);
  }
}

interface SpecKeys {
  readonly package?: PackageSpec;
  readonly crate?: PackageSpec;
  readonly name?: string;
  readonly version?: string;
  readonly reason?: string;
}

const setSpec = setterOf<SpecKeys>();

/** `package` is this project's key, `crate` cargo-deny's, `name` with `version` its older form. */
const SPEC_FIELDS: Fields<SpecKeys> = new Map([
  ["package", setSpec("package", readSpec)],
  ["crate", setSpec("crate", readSpec)],
  ["name", setSpec("name", readString)],
  ["version", setSpec("version", readString)],
  ["reason", setSpec("reason", readString)],
]);

/** A table that may name packages, with further keys of its own. */
function readSpecKeys<E extends object>(
  node: TomlNode,
  extra: Fields<E>,
): { readonly spec?: PackageSpec; readonly reason?: string; readonly extra: E } | undefined {
  const before = node.source.problems.length;
  const fields = new Map<string, Read<SpecKeys & E>>(
    [...SPEC_FIELDS, ...extra] as [string, Read<SpecKeys & E>][],
  );
  const table = readTable(node, fields);
  if (table === undefined) return undefined;
  const { package: ours, crate, name, version, reason, ...rest } = table;
  if ([ours, crate, name].filter((key) => key !== undefined).length > 1) {
    return node.fail(`${node.name}: only one of package, crate and name may be set`);
  }
  if (version !== undefined && name === undefined) {
    return node.fail(`${node.name}: version belongs to name; write package = "name@range"`);
  }
  const named = name === undefined
    ? undefined
    : specOf(version === undefined ? name : `${name}@${version}`, node);
  const spec = ours ?? crate ?? named;
  // The problem has been reported; without the key that it is in, the entry would mean more.
  if (node.source.problems.length > before) return undefined;
  return { ...(spec && { spec }), ...(reason !== undefined && { reason }), extra: rest as E };
}

/** An entry that names packages: a string, or a table with the keys of `extra` beside the spec. */
export function specEntry<E extends object = Record<never, never>>(
  extra: Fields<E> = new Map(),
): Read<SpecEntry & { readonly extra: Partial<E> }> {
  return (node) => {
    if (typeof node.value === "string") {
      const spec = readSpec(node);
      return spec && { spec, extra: {}, ...node.position };
    }
    const read = readSpecKeys(node, extra);
    if (read === undefined) return undefined;
    const { spec } = read;
    if (spec === undefined) return node.fail(`${node.name}: package = "NAME" is missing`);
    return { ...read, spec, ...node.position };
  };
}

/** Drops the container of further keys from an entry that has none. */
export function plainSpec(node: TomlNode): SpecEntry | undefined {
  const entry = specEntry()(node);
  if (entry === undefined) return undefined;
  const { extra: _, ...plain } = entry;
  return plain;
}

interface DenyKeys {
  readonly wrappers?: readonly PackageSpec[];
  readonly useInstead?: string;
  readonly once?: boolean;
}

const setDeny = setterOf<DenyKeys>();

const DENY_FIELDS: Fields<DenyKeys> = new Map([
  ["wrappers", setDeny("wrappers", listOf(readSpec))],
  ["use-instead", setDeny("useInstead", readString)],
  ["deny-multiple-versions", setDeny("once", readBoolean)],
]);

/** `bans.deny`: banned packages, and those of which only one version may be present. */
export function readDeny(
  node: TomlNode,
): { deny: DenyEntry[]; denyMultipleVersions: SpecEntry[] } | undefined {
  const entries = listOf(readDenyEntry)(node);
  if (entries === undefined) return undefined;
  const deny: DenyEntry[] = [];
  const denyMultipleVersions: SpecEntry[] = [];
  for (const { extra: { once, wrappers, useInstead }, ...entry } of entries) {
    if (once) denyMultipleVersions.push(entry);
    else deny.push({ ...entry, wrappers: wrappers ?? [], ...(useInstead && { useInstead }) });
  }
  return { deny, denyMultipleVersions };
}

function readDenyEntry(node: TomlNode): (SpecEntry & { extra: DenyKeys }) | undefined {
  const entry = specEntry(DENY_FIELDS)(node);
  if (!entry?.extra.once || entry.extra.wrappers === undefined) return entry;
  return node.fail(`${node.name}: deny-multiple-versions and wrappers exclude each other`);
}

interface IgnoreKeys {
  readonly id?: string;
  readonly code?: string;
  readonly path?: string;
  readonly until?: string;
}

const setIgnore = setterOf<IgnoreKeys>();

const IGNORE_FIELDS: Fields<IgnoreKeys> = new Map([
  [
    "id",
    setIgnore(
      "id",
      matching(/^[A-Za-z][A-Za-z0-9._:-]{1,99}$/, 'an advisory such as "GHSA-35jh-r3h4-6jhm"'),
    ),
  ],
  ["code", setIgnore("code", readCode)],
  ["path", setIgnore("path", readString)],
  ["until", setIgnore("until", readDate)],
]);

/** An entry of a section's `ignore`. */
export function readIgnore(node: TomlNode): IgnoreEntry | undefined {
  if (typeof node.value === "string") {
    return node.fail(
      `${node.name}: an entry needs a reason: ` +
        `{ ${node.check === "advisories" ? "id" : "code"} = "…", reason = "…" }`,
    );
  }
  const read = readSpecKeys(node, IGNORE_FIELDS);
  if (read === undefined) return undefined;
  const { spec, reason, extra: { id, code, path, until } } = read;
  if (reason === undefined) return node.fail(`${node.name}: an entry needs a reason`);
  if (id !== undefined && node.check !== "advisories") {
    return node.fail(`${node.name}: id is for advisories; name what is ignored by its code`);
  }
  if (id !== undefined && code !== undefined) {
    return node.fail(`${node.name}: only one of id and code may be set`);
  }
  let what = id ?? code;
  if (what === undefined) {
    if (spec === undefined) {
      const key = node.check === "advisories" ? "id" : "code";
      return node.fail(`${node.name}: ${key} or package is missing; an entry cannot ignore all`);
    }
    // As in cargo-deny: a package alone accepts that it was withdrawn, and no vulnerability of it.
    if (node.check === "advisories") what = "yanked";
  }
  return {
    ...(what !== undefined && { id: what }),
    ...(spec && { package: spec }),
    ...(path !== undefined && { path }),
    reason,
    ...(until !== undefined && { until }),
    ...node.position,
  };
}

/** Findings that come with an advisory are ignored by its id, so that the next one is seen. */
const BY_ID: ReadonlySet<string> = new Set([
  "vulnerability",
  "malicious",
  "unmaintained",
  "unsound",
  "notice",
]);

function readCode(node: TomlNode): string | undefined {
  const text = readString(node);
  if (text === undefined) return undefined;
  const codes = CODES.filter(({ checks }) => checks.includes(node.check)).map(({ code }) => code);
  if (!codes.includes(text)) {
    return node.expected(`a code of the ${node.check} check`, didYouMean(text, codes));
  }
  return BY_ID.has(text) ? node.fail(`${node.name}: ignore "${text}" by the advisory's id`) : text;
}

/** A calendar date, as a text or as TOML's own date. */
function readDate(node: TomlNode): string | undefined {
  const { value } = node;
  // smol-toml takes 2027-02-31 for 3 March, so its dates are read as they are written.
  const isDay = value instanceof Date && value.toISOString().length === 10;
  const text = isDay ? node.written(10) : value;
  const isDate = typeof text === "string" && /^\d{4}-\d{2}-\d{2}$/.test(text) &&
    isCalendarDate(text);
  return isDate ? text : node.expected('a date such as "2027-01-31"');
}

/** `Date` takes 31 February for 3 March; such a date does not print as it was written. */
function isCalendarDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
