import type { AuditEvent } from "./audit_event.ts";

/** What every hash under a key begins with. */
export function hashPrefix(keyId: string): string {
  return `hmac:${keyId}:`;
}

/** Whether the principal of an event is a hash; that of the source alone may be one. */
export function hasHashedPrincipal({ principal, hashKeyId }: AuditEvent): boolean {
  return hashKeyId !== undefined && principal !== undefined &&
    principal.startsWith(hashPrefix(hashKeyId));
}
