/**
 * Why a path could not be followed: the cold path of the backends that follow links first and ask
 * where they are afterwards.
 *
 * The kernel says `ENOENT`, `ENOTDIR`, `EACCES` or `ELOOP` as well of what lies outside: passed on,
 * that would tell a client what there is on the machine, one link at a time. So a path that leads
 * outside by a link is `path-outside-root`, whatever the kernel found there.
 *
 * @module
 */

import { SecurityError } from "../../errors.ts";
import { fileError } from "../_errors.ts";
import { errnoOf } from "./_object_info.ts";
import type { LocateOptions, RootSet } from "./backend.ts";

/** Linux's own limit of links in one path. */
const MAX_LINKS = 40;

/** Fails for want of something in this process; says nothing about the path. */
const OWN_SHORTAGE: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** What the walk asks of the disk. */
export interface LinkReader {
  /** Separator of the platform. */
  readonly separator: "/" | "\\";
  /** The target of a link; `undefined` for what is there and is none; throws for what is not there. */
  readLink(path: string): string | undefined;
}

/** Asks Deno. */
export function linkReader(separator: "/" | "\\"): LinkReader {
  return {
    separator,
    readLink: (path) => {
      if (!Deno.lstatSync(path).isSymlink) return undefined;
      try {
        return Deno.readLinkSync(path);
      } catch (error) {
        throw error instanceof Deno.errors.InvalidData ? notText(path, error) : error;
      }
    },
  };
}

/** Of a name that is no text nothing says that it lies in a root, nor may it be told what lies there. */
export function notText(path: string, error?: unknown): Error {
  return fileError("path-outside-root", { error, reason: `${path} leads to what is not UTF-8` });
}

/** A path for a string to which a separator and a name can be added: without one at its end. */
function withoutEnd(path: string, separator: string): string {
  return path.endsWith(separator) ? path.slice(0, -1) : path;
}

/** Names of a path in the order in which they are taken from the end of an array. */
function pendingNames(path: string, separator: string): string[] {
  const names = path.split(separator === "\\" ? /[\\/]+/ : /\/+/);
  return names.filter((name) => name !== "" && name !== ".").reverse();
}

/** Where an absolute link starts, `undefined` for a relative one. */
function anchorOf(target: string, separator: string): string | undefined {
  if (separator === "/") return target.startsWith("/") ? "" : undefined;
  const drive = /^(?:\\\\[?.]\\)?([a-zA-Z]:)[\\/]/.exec(target)?.[1];
  if (drive !== undefined) return drive;
  return /^[\\/]/.test(target) ? "\\" : undefined;
}

/**
 * Finds the error that a failure is worth.
 *
 * Walks name by name. Below a root the disk is asked what each name is; outside of every root only
 * names are put together, so nothing is learned of what is there.
 *
 * @param error What the system said.
 * @param roots All roots.
 * @param start Canonical path inside of a root where the walk begins.
 * @param path What could not be followed from there.
 * @param options Whether links are allowed.
 * @param reader Asks the disk.
 * @returns The error to throw: `error` itself, or what it would have hidden.
 */
export function explain(
  error: unknown,
  roots: RootSet,
  start: string,
  path: string,
  options: LocateOptions,
  reader: LinkReader,
): unknown {
  if (OWN_SHORTAGE.has(errnoOf(error))) return error;
  const { separator } = reader;
  const isInside = (at: string): boolean =>
    roots.find(at === "" || at.endsWith(":") ? at + separator : at) !== undefined;
  const pending = pendingNames(path, separator);
  let at = withoutEnd(start, separator);
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf(separator)));
      continue;
    }
    const next = at + separator + name;
    if (!isInside(next)) {
      at = next;
      continue;
    }
    let link: string | undefined;
    try {
      link = reader.readLink(next);
    } catch (refusal) {
      // It ends here, inside: the kernel's word stands, unless this process may not look.
      return refusal instanceof SecurityError ? refusal : error;
    }
    if (link === undefined) {
      at = next;
      continue;
    }
    if (options.symlinks === "deny") return fileError("symlink-denied", { error, reason: next });
    if (++links > MAX_LINKS) return fileError("symlink-loop", { error, reason: next });
    at = anchorOf(link, separator) ?? at;
    const target = separator === "\\" ? link.replace(/^(?:\\\\[?.]\\)?[a-zA-Z]:/, "") : link;
    pending.push(...pendingNames(target, separator));
  }
  return isInside(at) ? error : fileError("path-outside-root", { error, reason: at });
}

/**
 * The same for an absolute path that starts outside: the longest part of it that exists decides
 * whether it leads into a root.
 *
 * @param canonical Canonical path of something that exists; `undefined` where it is not known, as above what
 * this process may look at; throws for what does not exist.
 */
export function explainAbsolute(
  error: unknown,
  roots: RootSet,
  path: string,
  options: LocateOptions,
  reader: LinkReader,
  canonical: (path: string) => string | undefined,
): unknown {
  if (OWN_SHORTAGE.has(errnoOf(error))) return error;
  const { separator } = reader;
  let base: string | undefined;
  const first = path.indexOf(separator);
  let end = first;
  // From the front, since the length of what does not exist is the client's to choose.
  for (let next = first; next !== -1; next = path.indexOf(separator, next + 1)) {
    try {
      const found = canonical(next === first ? path.slice(0, next + 1) : path.slice(0, next));
      if (found === undefined) continue;
      base = found;
      end = next;
    } catch {
      break;
    }
  }
  if (base === undefined || roots.find(base) === undefined) {
    return fileError("path-outside-root", { error, reason: path });
  }
  return explain(error, roots, base, path.slice(end + 1), options, reader);
}
