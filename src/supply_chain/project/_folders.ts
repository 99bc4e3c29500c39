import { dirname } from "@std/path/dirname";

/** Folders above one, the nearest first, as far up as may be read without asking the user. */
export function foldersAbove(folder: string): string[] {
  const folders: string[] = [];
  for (let at = folder; dirname(at) !== at;) {
    at = dirname(at);
    if (Deno.permissions.querySync({ name: "read", path: at }).state !== "granted") break;
    folders.push(at);
  }
  return folders;
}
