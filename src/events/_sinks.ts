import type { Clock } from "../_internal/clock.ts";
import { SecurityError } from "../errors.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { AuditSink } from "./audit_sink.ts";

/** What became of the events that one sink was given. */
export interface AuditSinkStats {
  /** Name of the sink. */
  readonly name: string;
  /** Events that it took, and did not lose later. */
  readonly written: number;
  /** Events that it did not take, as it failed or too many were under way, or that it lost later. */
  readonly lost: number;
  /** Code, or else the name, of the last error; absent where there was none. */
  readonly lastErrorCode?: string;
}

/** What a sink threw. */
interface Loss {
  readonly cause: unknown;
}

const ERROR_CODE = /^[A-Za-z0-9_.-]{1,64}$/;

/** One sink, and what became of its events. */
class Outlet {
  readonly name: string;
  readonly isRequired: boolean;
  readonly getsPlain: boolean;
  readonly #sink: AuditSink;
  readonly #maxPending: number;
  readonly #pending = new Set<Promise<unknown>>();
  #written = 0;
  #lost = 0;
  #lastErrorCode: string | undefined;

  constructor(sink: AuditSink, maxPending: number) {
    this.#sink = sink;
    this.name = sink.name;
    this.isRequired = sink.required !== false;
    this.getsPlain = sink.plainIdentifiers === true;
    this.#maxPending = maxPending;
  }

  /** Gives it an event; never throws and never rejects. */
  write(event: AuditEvent): Loss | undefined | Promise<Loss | undefined> {
    // What hangs must not fill the memory.
    if (this.#isFull()) {
      const loss = this.#failed(fullError());
      return this.isRequired ? loss : undefined;
    }
    try {
      const answer: unknown = this.#sink.write(event);
      if (!isPromiseLike(answer)) {
        this.#written++;
        return undefined;
      }
      const settled: Promise<Loss | undefined> = Promise.resolve(answer).then(
        () => {
          this.#pending.delete(settled);
          this.#written++;
          return undefined;
        },
        (cause) => {
          this.#pending.delete(settled);
          return this.#failed(cause);
        },
      );
      this.#pending.add(settled);
      return this.isRequired ? settled : undefined;
    } catch (cause) {
      const loss = this.#failed(cause);
      return this.isRequired ? loss : undefined;
    }
  }

  ready(): Loss | undefined | Promise<Loss | undefined> {
    if (this.#isFull()) return this.#noted(fullError());
    try {
      const answer: unknown = this.#sink.ready?.();
      if (!isPromiseLike(answer)) return undefined;
      return Promise.resolve(answer).then(() => undefined, (cause) => this.#noted(cause));
    } catch (cause) {
      return this.#noted(cause);
    }
  }

  /** Waits for what is under way, and for the sink. */
  async flush(): Promise<Loss | undefined> {
    const pending = [...this.#pending];
    // Asked first: what is under way may be waiting for it.
    const flushed = this.#ask(() => this.#sink.flush?.());
    const losses = await Promise.all([flushed, ...pending]);
    return losses[0];
  }

  /** Flushes and closes. A sink is closed at once when the signal is aborted, and told so. */
  async close(signal: AbortSignal, aborted: Promise<Loss>): Promise<Loss | undefined> {
    const flushed = await Promise.race([this.flush(), aborted]);
    const closed = this.#ask(() => this.#sink.close?.(signal));
    return flushed ?? await Promise.race([closed, aborted]);
  }

  /** Events that it lost after it had taken them. */
  get lostLater(): number {
    try {
      const { lostLater = 0 } = this.#sink;
      return Number.isSafeInteger(lostLater) && lostLater > 0
        ? Math.min(lostLater, this.#written)
        : 0;
    } catch {
      return 0;
    }
  }

  stats(): AuditSinkStats {
    const { lostLater } = this;
    const lastErrorCode = this.#lastErrorCode;
    return {
      name: this.name,
      written: this.#written - lostLater,
      lost: this.#lost + lostLater,
      ...(lastErrorCode !== undefined && { lastErrorCode }),
    };
  }

  #isFull(): boolean {
    return this.#pending.size >= this.#maxPending;
  }

  async #ask(ask: () => void | Promise<void>): Promise<Loss | undefined> {
    try {
      await ask();
      return undefined;
    } catch (cause) {
      return this.#noted(cause);
    }
  }

  #failed(cause: unknown): Loss {
    this.#lost++;
    return this.#noted(cause);
  }

  #noted(cause: unknown): Loss {
    this.#lastErrorCode = codeOf(cause);
    return { cause };
  }
}

/** All sinks of a logger: none keeps another one from an event. */
export class Sinks {
  readonly #outlets: readonly Outlet[];
  readonly #required: readonly Outlet[];
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #recorded = 0;
  #lost = 0;

  constructor(
    sinks: readonly AuditSink[],
    options: { readonly clock: Clock; readonly maxPending: number; readonly timeoutMs: number },
  ) {
    this.#outlets = sinks.map((sink) => new Outlet(sink, options.maxPending));
    this.#required = this.#outlets.filter(({ isRequired }) => isRequired);
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Whether a sink gets identifiers as they are. */
  get takePlain(): boolean {
    return this.#outlets.some(({ getsPlain }) => getsPlain);
  }

  /** Events that every required sink took. */
  get recorded(): number {
    return Math.max(0, this.#recorded - this.#lostLater);
  }

  /** Events that not every required sink took. */
  get lost(): number {
    return this.#lost + this.#lostLater;
  }

  /** At least; those of two sinks may be the same. */
  get #lostLater(): number {
    return Math.max(0, ...this.#required.map(({ lostLater }) => lostLater));
  }

  /** Counts an event that reached no sink. */
  lose(): void {
    this.#lost++;
  }

  /** Gives an event to all; hashed where a sink may not see identifiers. */
  write(plain: AuditEvent, hashed: AuditEvent): Loss | undefined | Promise<Loss | undefined> {
    let loss: Loss | undefined;
    let waiting: Promise<Loss | undefined>[] | undefined;
    for (const outlet of this.#outlets) {
      const answer = outlet.write(outlet.getsPlain ? plain : hashed);
      if (answer === undefined) continue;
      if (answer instanceof Promise) (waiting ??= []).push(answer);
      else loss ??= answer;
    }
    return waiting === undefined ? this.#counted(loss) : this.#settled(waiting, loss);
  }

  /** Asks the required ones whether they could take an event. */
  ready(): Loss | undefined | Promise<Loss | undefined> {
    let loss: Loss | undefined;
    let waiting: Promise<Loss | undefined>[] | undefined;
    for (const outlet of this.#required) {
      const answer = outlet.ready();
      if (answer instanceof Promise) (waiting ??= []).push(answer);
      else loss ??= answer;
    }
    return waiting === undefined ? loss : Promise.all(waiting).then((all) => loss ?? first(all));
  }

  flush(): Promise<Loss | undefined> {
    return this.#all((outlet, _, aborted) => Promise.race([outlet.flush(), aborted]));
  }

  /** Flushes and closes, each as far as it gets in the time that there is for both. */
  close(): Promise<Loss | undefined> {
    return this.#all((outlet, signal, aborted) => outlet.close(signal, aborted));
  }

  stats(): AuditSinkStats[] {
    return this.#outlets.map((outlet) => outlet.stats());
  }

  async #settled(
    waiting: readonly Promise<Loss | undefined>[],
    loss: Loss | undefined,
  ): Promise<Loss | undefined> {
    const losses = await Promise.all(waiting);
    return this.#counted(loss ?? first(losses));
  }

  #counted(loss: Loss | undefined): Loss | undefined {
    if (loss === undefined) this.#recorded++;
    else this.#lost++;
    return loss;
  }

  /** A sink that hangs must not keep a program from ending, nor another sink from being asked. */
  async #all(
    ask: (
      outlet: Outlet,
      signal: AbortSignal,
      aborted: Promise<Loss>,
    ) => Promise<Loss | undefined>,
  ): Promise<Loss | undefined> {
    const controller = new AbortController();
    const late = Promise.withResolvers<Loss>();
    const timer = this.#clock.setTimer(
      () => {
        const cause = new SecurityError("timeout", "The sink did not answer in time");
        late.resolve({ cause });
        controller.abort(cause);
      },
      this.#timeoutMs,
      { keepAlive: true },
    );
    const losses = await Promise.all(this.#outlets.map(async (outlet) => {
      const loss = await ask(outlet, controller.signal, late.promise);
      return outlet.isRequired ? loss : undefined;
    }));
    timer.cancel();
    return first(losses);
  }
}

/** In the words of sinks with queues of their own. */
function fullError(): Error {
  return Object.assign(new Error("Too many events are under way"), { code: "queue-full" });
}

function first(losses: readonly (Loss | undefined)[]): Loss | undefined {
  return losses.find((loss) => loss !== undefined);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

/** The code of an error in a form that may stand anywhere: nothing of what a peer may have put into it. */
function codeOf(error: unknown): string {
  try {
    const { code, name } = error as { code?: unknown; name?: unknown };
    for (const word of [code, name]) {
      if (typeof word === "string" && ERROR_CODE.test(word)) return word;
    }
  } catch {
    // An error that cannot be read has no code.
  }
  return "unknown";
}
