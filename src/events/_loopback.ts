import { parseIp } from "../_internal/ip.ts";

/** Whether an address is this machine, whichever way it is written. */
export function isLoopback(text: string): boolean {
  const ip = parseIp(text);
  if (ip === undefined) return false;
  const { version, bytes } = ip;
  if (version === 4) return bytes[0] === 127;
  return bytes.every((byte, at) => byte === (at === 15 ? 1 : 0));
}

/** Whether a host, as a URL has it, is this machine by its name alone, without asking a resolver. */
export function isLocalName(name: string): boolean {
  return name === "localhost" || isLoopback(name.replace(/^\[(.*)\]$/, "$1"));
}
