/** Shorter texts are never slices of others. */
const MIN_SLICE_LENGTH = 13;

/** A text of a bounded length, well-formed, that says how much is missing. */
export function ended(text: string, maxLength: number, omitted: number): string {
  if (omitted === 0 && text.length <= maxLength) return text.toWellFormed();
  const more = omitted + Math.max(0, text.length - maxLength);
  return copied(`${text.slice(0, maxLength).toWellFormed()}…[+${more}]`);
}

/** The beginning of a text as it is; what is missing is said. */
export function bounded(text: string, maxLength: number): string {
  const omitted = text.length - maxLength;
  return omitted > 0 ? ended(text.slice(0, maxLength), maxLength, omitted) : text;
}

/**
 * A slice keeps the whole text in memory that it is a part of: 10 MB of a header for a name in it. What is joined is
 * written anew when it is cut again, which takes half the time of the way through JSON.
 *
 * For what is kept only: to copy every text makes reports a fifth slower (bench/events_bench.ts).
 */
export function copied(text: string): string {
  return text.length < MIN_SLICE_LENGTH ? text : ` ${text}`.slice(1);
}
