/**
 * How the paths of roots and clients are compared and put together, by the rules of the platform.
 *
 * @module
 */

import { relativeWithin } from "./resolve_within.ts";

/** Whose rules paths follow. */
export type Platform = "posix" | "windows";

/** Whether a canonical path is a directory or lies below it. */
export function isWithin(directory: string, path: string, platform: Platform): boolean {
  if (!path.startsWith(directory)) return false;
  if (path.length === directory.length) return true;
  return isSeparator(path, directory.length, platform) ||
    isSeparator(directory, directory.length - 1, platform);
}

/** Whether a client's path begins with a spelling of a root; on Windows case does not matter. */
export function begins(path: string, spelling: string, platform: Platform): boolean {
  if (platform === "posix") return isWithin(spelling, path, platform);
  const fold = (text: string) => text.replaceAll("/", "\\").toLowerCase();
  return isWithin(fold(spelling), fold(path), platform);
}

/** Whether a path starts at the top rather than at a root. */
export function isAbsolute(path: string, platform: Platform): boolean {
  if (platform === "posix") return path.startsWith("/");
  return /^(?:[A-Za-z]:|[\\/])/.test(path);
}

function isSeparator(path: string, at: number, platform: Platform): boolean {
  const code = path.charCodeAt(at);
  return code === 0x2f || (code === 0x5c && platform === "windows");
}

/** A canonical directory and a path below it, with `/`. */
export function join(directory: string, path: string, platform: Platform): string {
  if (path === "") return directory;
  const separator = platform === "windows" ? "\\" : "/";
  const rest = platform === "windows" ? path.replaceAll("/", separator) : path;
  return isSeparator(directory, directory.length - 1, platform)
    ? directory + rest
    : directory + separator + rest;
}

/** An absolute path without `.`, `..` and empty components, so that no backend ever sees one. */
export function cleanAbsolute(path: string, root: string, platform: Platform): string {
  if (platform === "posix") return `/${relativeWithin("/", path, platform)}`;
  const drive = /^[A-Za-z]:[\\/]/.exec(path)?.[0];
  // Other forms have no top of their own to measure from: they either fit a root or are refused.
  const top = drive === undefined ? root : `${drive[0]}:\\`;
  return join(top, relativeWithin(top, path, platform), platform);
}

/** The last component of a path with `/`. */
export function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether a path is written as that of a directory: `d/` or `d/.`. */
export function saysDirectory(path: string, platform: Platform): boolean {
  const last = path.length - 1;
  if (isSeparator(path, last, platform)) return true;
  return path.charCodeAt(last) === 0x2e && isSeparator(path, last - 1, platform);
}
