/**
 * The one seam to Redis and Valkey: a function that sends a command. No client library is imported; bring
 * the one that you have.
 *
 * - `redis`: `(...command) => client.sendCommand(command)`.
 * - `redis`, a cluster, which has to be told the key: `(...command) =>
 *   cluster.sendCommand(command[command[0] === "SET" ? 1 : 3], false, command)`.
 * - `ioredis` and `iovalkey`, clusters too: `(name, ...args) => client.call(name, ...args)`.
 *
 * @param command Name of the command, such as `SET`.
 * @param args Its arguments, as strings.
 * @returns The reply as the client gives it; an error reply rejects.
 */
export type RedisCommand = (command: string, ...args: string[]) => Promise<unknown>;
