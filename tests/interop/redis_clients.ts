/** The clients that people use, each opened the way that its documentation says. */

import IORedis from "ioredis";
import { Cluster as IovalkeyCluster, Redis as Iovalkey } from "iovalkey";
import { createClient, createCluster } from "redis";
import { fromIoredis, fromIovalkey, fromRedis } from "../../src/_internal/redis_adapters.ts";
import type { RedisCommand, RedisCommandWithOptions } from "../../src/_internal/redis_command.ts";

/** Names of the clients. */
export const CLIENTS = ["redis", "ioredis", "iovalkey"] as const;
/** Name of a client. */
export type ClientName = typeof CLIENTS[number];

/** Where the server is. */
export interface Address {
  /** Its port on this machine. */
  readonly port: number;
  /** Certificate of the authority, for TLS. */
  readonly ca?: string;
}

/** An open client. */
export interface OpenClient {
  /** Sends a command through it. */
  readonly command: RedisCommandWithOptions;
  /** The same by a function as a user may write it, without an adapter. */
  readonly lambda: RedisCommand;
  /** Closes it at once. */
  close(): void;
}

// A connection that breaks is what some of the tests are about.
function ignoreError(): void {}

/** Opens a client of one server. */
export async function openClient(name: ClientName, { port, ca }: Address): Promise<OpenClient> {
  if (name === "redis") {
    const client = createClient({
      socket: ca === undefined
        ? { host: "127.0.0.1", port }
        : { host: "localhost", port, tls: true, ca, servername: "localhost" },
    });
    client.on("error", ignoreError);
    await client.connect();
    return {
      command: fromRedis(client),
      lambda: (...words) => client.sendCommand(words),
      close: () => client.destroy(),
    };
  }
  const options = ca === undefined
    ? { host: "127.0.0.1", port }
    : { host: "localhost", port, tls: { ca, servername: "localhost" } };
  const client = name === "ioredis" ? new IORedis.Redis(options) : new Iovalkey(options);
  client.on("error", ignoreError);
  await client.ping();
  return {
    command: name === "ioredis" ? fromIoredis(client) : fromIovalkey(client),
    lambda: (command, ...args) => client.call(command, ...args),
    close: () => client.disconnect(),
  };
}

/** Opens a client of a cluster. */
export async function openCluster(name: ClientName, { port }: Address): Promise<OpenClient> {
  if (name === "redis") {
    const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
    cluster.on("error", ignoreError);
    await cluster.connect();
    return {
      command: fromRedis(cluster),
      lambda: (...words) => cluster.sendCommand(words[words[0] === "SET" ? 1 : 3], false, words),
      close: () => cluster.destroy(),
    };
  }
  const nodes = [{ host: "127.0.0.1", port }];
  const cluster = name === "ioredis" ? new IORedis.Cluster(nodes) : new IovalkeyCluster(nodes);
  cluster.on("error", ignoreError);
  await cluster.ping();
  return {
    command: name === "ioredis" ? fromIoredis(cluster) : fromIovalkey(cluster),
    lambda: (command, ...args) => cluster.call(command, ...args),
    close: () => cluster.disconnect(),
  };
}
