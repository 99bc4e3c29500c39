/**
 * A new identifier, which nobody can guess and nothing else has.
 *
 * @returns A UUID.
 */
export function newId(): string {
  return crypto.randomUUID();
}
