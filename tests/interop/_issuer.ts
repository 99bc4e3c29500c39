/** Access tokens as an authorization server issues them, and the keys that it publishes. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** Whom the tokens are for. */
export const AUDIENCE = "https://notes.example.com";

/** An authorization server without endpoints. */
export interface Issuer {
  /** Its identifier. */
  readonly issuer: string;
  /** Its public keys. */
  readonly jwks: { readonly keys: JWK[] };
  /** Issues a token (RFC 9068) that is bound to a key, or to none. */
  issue(jkt?: string): Promise<string>;
}

/** Makes one. */
export async function createIssuer(issuer = "https://as.example.com"): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = { ...await exportJWK(publicKey), kid: "as-1", alg: "ES256", use: "sig" };
  return {
    issuer,
    jwks: { keys: [jwk] },
    issue(jkt) {
      const cnf = jkt === undefined ? {} : { cnf: { jkt } };
      return new SignJWT({ client_id: "app", scope: "notes", ...cnf })
        .setProtectedHeader({ typ: "at+jwt", alg: "ES256", kid: "as-1" })
        .setIssuer(issuer)
        .setAudience(AUDIENCE)
        .setSubject("alice")
        .setJti(crypto.randomUUID())
        .setIssuedAt()
        .setExpirationTime("5 minutes")
        .sign(privateKey);
    },
  };
}
