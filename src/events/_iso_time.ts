/** Year 10000, from where on ISO 8601 needs more than four digits. */
const END_MS = 253_402_300_800_000;

let cachedSecond = NaN;
let cachedText = "";

/**
 * Tells whether a time can be recorded.
 *
 * @param timeMs Milliseconds since the epoch, supposedly.
 * @returns Whether it is a number of the years 1970 to 9999.
 */
export function isTimeMs(timeMs: unknown): timeMs is number {
  return typeof timeMs === "number" && timeMs >= 0 && timeMs < END_MS;
}

/**
 * Writes a time in ISO 8601, UTC, with milliseconds. What toISOString() costs is paid once a second
 * (bench/events_bench.ts).
 *
 * @param timeMs Milliseconds since the epoch, within what {@linkcode isTimeMs} accepts.
 * @returns The text.
 */
export function isoTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== cachedSecond) {
    cachedText = new Date(second * 1000).toISOString().slice(0, 20);
    cachedSecond = second;
  }
  const millis = Math.floor(timeMs) - second * 1000;
  const zeros = millis < 10 ? "00" : millis < 100 ? "0" : "";
  return `${cachedText}${zeros}${millis}Z`;
}
