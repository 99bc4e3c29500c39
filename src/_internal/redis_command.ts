/**
 * The one seam to Redis and Valkey: a function that sends a command. No client library is imported; bring
 * the one that you have, by `fromRedis`, `fromIoredis` or `fromIovalkey`, or by a function of your own:
 *
 *     const command = (...words: string[]) => client.sendCommand(words);
 *
 * One that is a {@linkcode RedisCommandWithOptions} also learns when nobody waits any more.
 */
export interface RedisCommand {
  /** Whether it is a {@linkcode RedisCommandWithOptions}. @default {false} */
  readonly takesOptions?: boolean;

  /**
   * Sends a command.
   *
   * @param command Name of the command, such as `SET`.
   * @param args Its arguments, as strings.
   * @returns The reply as the client gives it; an error reply rejects.
   */
  (command: string, ...args: string[]): Promise<unknown>;
}

/** What a {@linkcode RedisCommandWithOptions} is told besides the command. */
export interface RedisCommandOptions {
  /** Aborted when nobody waits for the reply any more: what was not sent by then need not be. */
  readonly signal?: AbortSignal | undefined;
}

/** A {@linkcode RedisCommand} that takes {@linkcode RedisCommandOptions} behind the arguments. */
export interface RedisCommandWithOptions extends RedisCommand {
  /** Says that the last argument is a {@linkcode RedisCommandOptions}. */
  readonly takesOptions: true;

  /**
   * Sends a command.
   *
   * @param command Name of the command, such as `SET`.
   * @param argsAndOptions Its arguments, as strings, and the options behind them, if any.
   * @returns The reply as the client gives it; an error reply rejects.
   */
  (command: string, ...argsAndOptions: (string | RedisCommandOptions)[]): Promise<unknown>;
}
