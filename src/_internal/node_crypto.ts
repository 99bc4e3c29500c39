/** What is used of `node:crypto`. */
export interface NodeCrypto {
  /** Begins a hash. */
  createHash(algorithm: string): {
    /** Adds bytes, or the UTF-8 bytes of a string. */
    update(data: Uint8Array | string): { digest(): Uint8Array };
  };
  /** Imports a public key. */
  createPublicKey(key: { readonly key: object; readonly format: "jwk" }): unknown;
  /** Verifies a signature at once. */
  verify(algorithm: null, data: Uint8Array, key: unknown, signature: Uint8Array): unknown;
}

let found: NodeCrypto | null | undefined;

/**
 * `node:crypto` where the runtime has it, without an import, which a browser would stumble over.
 *
 * @returns The module, or `undefined`.
 */
export function nodeCrypto(): NodeCrypto | undefined {
  if (found === undefined) {
    const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
    const module: unknown = process?.getBuiltinModule?.("node:crypto");
    found = isNodeCrypto(module) ? module : null;
  }
  return found ?? undefined;
}

function isNodeCrypto(value: unknown): value is NodeCrypto {
  return typeof value === "object" && value !== null && "createHash" in value &&
    "createPublicKey" in value && "verify" in value;
}
