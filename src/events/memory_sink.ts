import { integerOption, wrongOption } from "../_internal/options.ts";
import { copied } from "./_texts.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** Options of {@linkcode memorySink}. */
export interface MemorySinkOptions {
  /** How many events it keeps; older ones are forgotten. @default {10_000} */
  readonly capacity?: number;
  /** Gets identifiers as they are where the logger hashes them. @default {false} */
  readonly plainIdentifiers?: boolean;
}

/** A sink that keeps the latest events. */
export interface MemorySink extends AuditSink {
  /** The events, the oldest first; a copy. */
  readonly events: readonly AuditEvent[];
  /** How many events were forgotten for newer ones. */
  readonly forgotten: number;
  /**
   * Looks for events.
   *
   * @param wanted Their kind, or a test.
   * @returns The events, the oldest first.
   */
  find(wanted: string | ((event: AuditEvent) => boolean)): readonly AuditEvent[];
  /** Forgets everything. */
  clear(): void;
}

/**
 * Keeps the latest events in memory: for tests, and to show what happened last.
 *
 * @example
 * ```ts
 * import { AuditLogger, memorySink } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const sink = memorySink({ capacity: 2 });
 * const audit = new AuditLogger({ sinks: [sink] });
 * for (const resource of ["a", "b", "c"]) await audit.success("file.read", { resource });
 * assertEquals(sink.find("file.read").map(({ resource }) => resource), ["b", "c"]);
 * assertEquals(sink.forgotten, 1);
 * ```
 *
 * @param options How many it keeps.
 * @returns The sink.
 * @throws {TypeError} If an option is of the wrong type.
 * @throws {RangeError} If `capacity` is no integer from 1 to 10,000,000.
 */
export function memorySink(options: MemorySinkOptions = {}): MemorySink {
  const purpose = "create a memory sink";
  const bounds = { otherwise: 10_000, least: 1, most: 10_000_000 };
  const capacity = integerOption(purpose, "capacity", options.capacity, bounds);
  const { plainIdentifiers = false } = options;
  if (typeof plainIdentifiers !== "boolean") {
    throw wrongOption(purpose, "plainIdentifiers", "true or false", plainIdentifiers);
  }
  let ring: AuditEvent[] = [];
  let oldest = 0;
  let forgotten = 0;
  const events = () => [...ring.slice(oldest), ...ring.slice(0, oldest)];
  return {
    name: "memory",
    plainIdentifiers,
    get events(): readonly AuditEvent[] {
      return events();
    },
    get forgotten(): number {
      return forgotten;
    },
    write(given: AuditEvent): void {
      const event = own(given);
      if (ring.length < capacity) {
        ring.push(event);
        return;
      }
      ring[oldest] = event;
      oldest = (oldest + 1) % capacity;
      forgotten++;
    },
    find(wanted): readonly AuditEvent[] {
      const isWanted = typeof wanted === "string"
        ? (event: AuditEvent) => event.kind === wanted
        : wanted;
      return events().filter((event) => isWanted(event));
    },
    clear(): void {
      ring = [];
      oldest = 0;
      forgotten = 0;
    },
  };
}

/** A copy, frozen, that holds nothing else in memory: texts of an event may be slices of what a client sent. */
function own<T>(value: T): T;
function own(value: unknown): unknown {
  if (typeof value === "string") return copied(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map((item) => own(item)));
  const copy: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) copy[name] = own(member);
  return Object.freeze(copy);
}
