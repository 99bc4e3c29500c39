/**
 * A resource server that accepts DPoP-bound access tokens, with the adapters for `Deno.serve` and Hono.
 *
 * ```sh
 * deno run --allow-net examples/dpop_server.ts https://as.example.com https://api.example.com
 * ```
 *
 * The first argument is the issuer of the tokens, whose keys are at `/jwks`; the second is the origin under
 * which clients know this server.
 *
 * @module
 */
import {
  createDpopNonces,
  createDpopVerifier,
  createJwtTokenValidator,
  type DpopAccess,
  type DpopVerifier,
  type TokenValidator,
} from "@bartizan/security";
import { Hono, type MiddlewareHandler } from "hono";

/** What a handler needs to know of who asks. */
export type AuthorizedHandler = (
  request: Request,
  access: DpopAccess,
) => Response | Promise<Response>;

/** For `Deno.serve`: calls the handler with granted requests only. */
export function guarded(
  guard: DpopVerifier,
  handler: AuthorizedHandler,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const access = await guard.verifyRequest(request);
    if (!access.ok) return access.response;
    const response = await handler(request, access);
    // Responses that were fetched, or redirect, do not let their headers be changed.
    const headers = new Headers(response.headers);
    for (const [name, value] of access.headers) {
      if (isList(name)) headers.append(name, value);
      else headers.set(name, value);
    }
    return new Response(response.body, { status: response.status, headers });
  };
}

/** Of the verifier's headers, the one that a handler may have added to; the others replace its own. */
function isList(name: string): boolean {
  return name === "access-control-expose-headers";
}

/** What Hono's handlers find in their context. */
export interface DpopEnv {
  /** Set by {@linkcode dpop}: `c.get("access")`. */
  Variables: { access: DpopAccess };
}

/** For Hono: lets granted requests go on. */
export function dpop(guard: DpopVerifier): MiddlewareHandler<DpopEnv> {
  return async (c, next) => {
    const access = await guard.verifyRequest(c.req.raw);
    if (!access.ok) return access.response;
    c.set("access", access);
    await next();
    for (const [name, value] of access.headers) c.header(name, value, { append: isList(name) });
    return undefined;
  };
}

/** An application with one resource that needs a token, and one that does not. */
export function notesApp(guard: DpopVerifier): Hono<DpopEnv> {
  const app = new Hono<DpopEnv>();
  app.get("/health", (c) => c.text("ok"));
  app.use("/notes/*", dpop(guard));
  app.get("/notes", (c) => c.json({ notesOf: c.get("access").principal }));
  return app;
}

/** The verifier of this server: nonces, so that no proof can be made long in advance. */
export function notesGuard(origin: string, validateToken: TokenValidator): DpopVerifier {
  // Several machines, or a restart without a round of new nonces, need secrets that are kept.
  const secrets = [crypto.getRandomValues(new Uint8Array(32))];
  return createDpopVerifier({ origin, validateToken, nonces: createDpopNonces({ secrets }) });
}

if (import.meta.main) {
  const [issuer, origin] = Deno.args;
  if (issuer === undefined || origin === undefined) {
    throw new TypeError("needs the issuer of the tokens and the origin of this server");
  }
  const jwks = new URL("/jwks", issuer);
  const guard = notesGuard(origin, createJwtTokenValidator({ issuer, audience: origin, jwks }));
  Deno.serve({ hostname: "127.0.0.1", port: 8000 }, notesApp(guard).fetch);
}
