import type {
  RedisCommand,
  RedisCommandOptions,
  RedisCommandWithOptions,
} from "./redis_command.ts";

/** Name of a command, and its arguments. */
export type RedisWords = readonly [command: string, ...args: string[]];

/**
 * Sends a command through whichever function the user has given.
 *
 * @param command The function.
 * @param words Name of the command, and its arguments.
 * @param options The signal, for functions that take it.
 * @returns The reply.
 */
export function sendRedis(
  command: RedisCommand,
  words: RedisWords,
  options: RedisCommandOptions = {},
): Promise<unknown> {
  return takesOptions(command) ? command(...words, options) : command(...words);
}

function takesOptions(command: RedisCommand): command is RedisCommandWithOptions {
  return command.takesOptions === true;
}

/**
 * Reads a reply that is a text or a number: clients give bytes on request, and numbers as numbers, bigints or
 * strings.
 *
 * @param reply The reply.
 * @returns The text, `null` for nothing, or `undefined` for anything else.
 */
export function replyText(reply: unknown): string | null | undefined {
  if (typeof reply === "string" || reply === null) return reply;
  if (typeof reply === "number" || typeof reply === "bigint") return String(reply);
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : undefined;
}

/** A script of the server's own language, which EVALSHA names by its hash. */
export interface RedisScript {
  /** The text. */
  readonly text: string;
  /** SHA-1 of the text, in lower-case hex. */
  readonly sha1: string;
}

/**
 * Runs a script by its hash, and sends its text once where the server does not know it: a server forgets
 * scripts when it restarts or is told to, and EVAL makes it remember this one again.
 *
 * @param command The function.
 * @param script The script.
 * @param args Number of the keys, the keys and the arguments.
 * @param options The signal.
 * @returns The reply.
 */
export async function evalRedis(
  command: RedisCommand,
  script: RedisScript,
  args: readonly string[],
  options: RedisCommandOptions = {},
): Promise<unknown> {
  try {
    return await sendRedis(command, ["EVALSHA", script.sha1, ...args], options);
  } catch (error) {
    if (options.signal?.aborted || !isUnknownScript(error)) throw error;
    return await sendRedis(command, ["EVAL", script.text, ...args], options);
  }
}

/**
 * Tells whether the server did not know a script.
 *
 * @param error What a command rejected with.
 * @returns Whether.
 */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}
