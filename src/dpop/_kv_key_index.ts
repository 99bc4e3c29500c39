/**
 * The list of what belongs to a set of keys in a database, which others may write to.
 *
 * Each key is sealed by itself. Without a list that is sealed as well, whoever writes to the database could
 * put one revoked key back beside the current ones, or one of another set that the same secret sealed.
 *
 * @module
 */

import { encodeBase64Url } from "../_internal/base64url.ts";
import { sha256 } from "../_internal/sha256.ts";
import { SecurityError } from "../errors.ts";

/** The list. */
export interface KvKeyIndex {
  /** Random name of the set, made with its first key. */
  readonly id: string;
  /** Counts the changes of the set from 1. */
  readonly count: number;
  /** Thumbprint of each key and digest of its sealed half, oldest key first. */
  readonly entries: readonly (readonly [jkt: string, digest: string])[];
}

/** An index as it was found in the database. */
export interface FoundIndex {
  readonly id: string;
  readonly count: number;
  /** State of the entry. */
  readonly version: string;
  /** The index as it is sealed. */
  readonly sealed: Uint8Array;
}

const ID_BYTES = 16;

/**
 * Makes the index of a set.
 *
 * @param values The sealed keys, oldest first.
 * @param before The index that it replaces, if there is one.
 * @returns The index.
 */
export function nextIndex(
  values: readonly { readonly jkt: string; readonly sealed: Uint8Array }[],
  before: Pick<KvKeyIndex, "id" | "count"> | undefined,
): KvKeyIndex {
  return {
    id: before?.id ?? encodeBase64Url(crypto.getRandomValues(new Uint8Array(ID_BYTES))),
    count: (before?.count ?? 0) + 1,
    entries: values.map(({ jkt, sealed }) => [jkt, digestOf(sealed)]),
  };
}

/**
 * Digest of a sealed key.
 *
 * @param sealed IV and ciphertext.
 * @returns SHA-256, base64url.
 */
export function digestOf(sealed: Uint8Array): string {
  return encodeBase64Url(sha256(sealed));
}

/**
 * Reads an index that was opened.
 *
 * @param text The index as JSON.
 * @returns The index.
 * @throws {SecurityError} `key-invalid` if it is none.
 */
export function parseIndex(text: string): KvKeyIndex {
  const index: unknown = JSON.parse(text);
  if (isIndex(index)) return index;
  throw new SecurityError("key-invalid", "The stored list of keys is not valid");
}

/**
 * Refuses an index that this process knows to be past: one of an older state, of another set, or of a state
 * that somebody else made of an older one.
 *
 * @param found The index.
 * @param seen The newest that was seen before it was asked for, if any.
 * @throws {SecurityError} `key-invalid`.
 */
export function checkIsNewer(found: FoundIndex | undefined, seen: FoundIndex | undefined): void {
  if (seen === undefined) return;
  if (found?.id === seen.id) {
    if (found.count > seen.count) return;
    if (found.count === seen.count && equals(found.sealed, seen.sealed)) return;
  }
  throw new SecurityError("key-invalid", "An older or another set of keys lies in the store");
}

/** Tells whether two byte strings are the same; neither is secret. */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** It was sealed by one that has the secret: what is read here, a program wrote. */
function isIndex(value: unknown): value is KvKeyIndex {
  if (typeof value !== "object" || value === null) return false;
  const { id, count, entries } = value as Record<string, unknown>;
  return typeof id === "string" && Number.isSafeInteger(count) && Array.isArray(entries) &&
    entries.every((entry) => Array.isArray(entry) && entry.length === 2);
}
