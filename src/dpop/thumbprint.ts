import { decodeBase64Url, encodeBase64Url } from "../_internal/base64url.ts";
import { sha256 } from "../_internal/sha256.ts";

/** The members of a JWK that {@linkcode jwkThumbprint} reads; others may be there. */
export interface ThumbprintMembers {
  /** Key type: `EC`, `OKP` or `RSA`. */
  readonly kty?: string;
  /** Curve of an EC or OKP key. @default {undefined} */
  readonly crv?: string;
  /** First coordinate of an EC key, or the OKP key. @default {undefined} */
  readonly x?: string;
  /** Second coordinate of an EC key. @default {undefined} */
  readonly y?: string;
  /** Modulus of an RSA key. @default {undefined} */
  readonly n?: string;
  /** Exponent of an RSA key. @default {undefined} */
  readonly e?: string;
}

/** Members that a thumbprint is made of, in the order in which they are hashed (RFC 7638, section 3). */
const MEMBERS: ReadonlyMap<unknown, readonly (keyof ThumbprintMembers)[]> = new Map<
  unknown,
  readonly (keyof ThumbprintMembers)[]
>([
  ["EC", ["crv", "kty", "x", "y"]],
  ["OKP", ["crv", "kty", "x"]],
  ["RSA", ["e", "kty", "n"]],
]);

/**
 * The SHA-256 thumbprint of a public key, which a token is bound to as `cnf.jkt`.
 *
 * The order of the members and members such as `kid`, `use` or `alg` make no difference. That the
 * members are a usable key, such as a point on its curve, is not checked.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7638 RFC 7638}
 *
 * @example The key of RFC 8037, appendix A.3
 * ```ts
 * import { jwkThumbprint } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const jkt = jwkThumbprint({
 *   kty: "OKP",
 *   crv: "Ed25519",
 *   x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
 * });
 * assertEquals(jkt, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
 * ```
 *
 * @param jwk The key: EC, OKP or RSA. Private members are neither needed nor read.
 * @returns The thumbprint: 43 characters of base64url.
 * @throws {TypeError} If the key is of another type, or a member is missing or malformed.
 */
export function jwkThumbprint(jwk: ThumbprintMembers): string {
  const names = MEMBERS.get(jwk.kty);
  if (names === undefined) {
    throw new TypeError(
      `Cannot make a thumbprint: 'kty' must be "EC", "OKP" or "RSA": current value is ${jwk.kty}`,
    );
  }
  const members: Record<string, string> = {};
  for (const name of names) {
    const value: unknown = jwk[name];
    const isText = typeof value === "string" && value !== "";
    if (!isText || name !== "kty" && name !== "crv" && decodeBase64Url(value) === undefined) {
      throw new TypeError(`Cannot make a thumbprint: '${name}' must be base64url without padding`);
    }
    members[name] = value;
  }
  return encodeBase64Url(sha256(JSON.stringify(members)));
}
