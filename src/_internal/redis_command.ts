/**
 * The one seam to Redis and Valkey: a function that sends a command.
 *
 * With `redis`: `(...command) => client.sendCommand(command)`. With `ioredis` and `iovalkey`:
 * `(name, ...args) => client.call(name, ...args)`.
 *
 * @param command Name of the command, such as `SET`.
 * @param args Its arguments, as strings.
 * @returns The reply as the client gives it; an error reply rejects.
 */
export type RedisCommand = (command: string, ...args: string[]) => Promise<unknown>;
