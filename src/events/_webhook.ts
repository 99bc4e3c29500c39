/**
 * The queue of a webhook: bounded, sent in order, one request at a time.
 *
 * @module
 */

import { SecurityError } from "../errors.ts";
import type { ClockTimer } from "../_internal/clock.ts";
import { newId } from "./_ids.ts";
import { escapeJson } from "./_json_line.ts";
import type { WebhookSettings } from "./_webhook_options.ts";
import { deferred, sendOnce, type WebhookAnswer } from "./_webhook_request.ts";
import type { AuditEvent } from "./audit_event.ts";
import type { WebhookSink } from "./webhook_sink.ts";

interface Queued {
  readonly json: string;
  readonly event: AuditEvent;
  /** Whoever waits for the delivery, where it is required. */
  readonly done: PromiseWithResolvers<void> | undefined;
}

/** Events that were lost and not told yet. */
interface Gap {
  readonly count: number;
  readonly firstTime: string;
  readonly lastTime: string;
  readonly lastSeq: number;
  readonly causes: ReadonlySet<string>;
}

/** See `webhookSink`. */
export class Webhook implements WebhookSink {
  readonly name = "webhook";
  readonly required: boolean;
  readonly #settings: WebhookSettings;
  readonly #closing = new AbortController();
  readonly #queue: Queued[] = [];
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => void this.#end();
  #queuedBytes = 0;
  /** Longest JSON of a request; less once a receiver has said that one was too large. */
  #maxBytes: number;
  #delivered = 0;
  #lost = 0;
  #lostLater = 0;
  /** Whether the last attempt to deliver failed. */
  #isFailing = false;
  /** Whether a flush has waited in vain since the last delivery. */
  #isGivenUp = false;
  #gap: Gap | undefined;
  #timer: ClockTimer | undefined;
  #sending: Promise<void> | undefined;
  /** The request that is under way, or was the last. */
  #batch: Promise<void> | undefined;
  /** How many events were ever queued, and how many of them left the queue. */
  #accepted = 0;
  #settled = 0;
  /** Up to which event nothing is held back for a fuller request, as somebody waits for it. */
  #urgentUntil = 0;
  #closed: Promise<void> | undefined;

  constructor(settings: WebhookSettings, signal: AbortSignal | undefined) {
    this.#settings = settings;
    this.required = settings.required;
    this.#maxBytes = settings.maxBytes;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted) this.#end();
  }

  get queued(): number {
    return this.#queue.length;
  }

  get delivered(): number {
    return this.#delivered;
  }

  get lost(): number {
    return this.#lost;
  }

  get lostLater(): number {
    return this.#lostLater;
  }

  ready(): void {
    this.#checkOpen();
    const { maxQueued, maxQueuedBytes, retryDelayMs } = this.#settings;
    if (this.#queue.length >= maxQueued || this.#queuedBytes >= maxQueuedBytes) throw isFull();
    if (!this.required || !this.#isFailing) return;
    // Nobody writes while this says no, so that the record of the gap has to find out whether it still is so.
    this.#sendLater(retryDelayMs);
    throw new SecurityError("audit-unavailable", "The webhook does not take events");
  }

  write(event: AuditEvent): void | Promise<void> {
    this.#checkOpen();
    const { maxQueued, maxQueuedBytes, required } = this.#settings;
    let json: string;
    try {
      json = this.#jsonOf(event);
    } catch (error) {
      this.#lose([event], "not to be mapped");
      throw error;
    }
    if (this.#queue.length >= maxQueued || this.#queuedBytes + json.length > maxQueuedBytes) {
      this.#lose([event], "queue full");
      throw isFull();
    }
    const done = required ? deferred<void>() : undefined;
    this.#queue.push({ json, event, done });
    this.#queuedBytes += json.length;
    this.#accepted++;
    if (this.#isDue) this.#send();
    else this.#sendLater();
    return done?.promise;
  }

  async flush(): Promise<void> {
    if (this.#queue.length === 0 && this.#gap === undefined) return;
    const lostBefore = this.#lost;
    const { clock, flushTimeoutMs } = this.#settings;
    const deadline = deferred<"late">();
    // Whoever waits for it would otherwise see the program end in the middle.
    const timer = clock.setTimer(() => deadline.resolve("late"), flushTimeoutMs, {
      keepAlive: true,
    });
    const end = await Promise.race([this.#drained(), deadline.promise]);
    timer.cancel();
    if (end === "late") this.#isGivenUp = true;
    if (end === "late" || this.#lost > lostBefore) {
      throw new SecurityError("audit-unavailable", "The webhook did not take all events", {
        details: { lost: this.#lost - lostBefore, queued: this.#queue.length },
      });
    }
  }

  close(signal?: AbortSignal): Promise<void> {
    this.#closed ??= this.#flushAndEnd();
    if (signal?.aborted) this.#end();
    signal?.addEventListener("abort", this.#abort);
    this.#closed.finally(() => signal?.removeEventListener("abort", this.#abort));
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Whether there is enough for a request. */
  get #isDue(): boolean {
    return this.#queue.length >= this.#settings.maxEvents || this.#queuedBytes >= this.#maxBytes;
  }

  #checkOpen(): void {
    if (this.#closed === undefined && !this.#closing.signal.aborted) return;
    throw new SecurityError("closed", "The webhook sink was closed");
  }

  #jsonOf(event: AuditEvent): string {
    const mapped = this.#settings.map(event);
    // A promise would be sent as an empty object.
    const json = isPromiseLike(mapped) ? undefined : JSON.stringify(mapped) as string | undefined;
    if (json === undefined) throw new TypeError("'map' must give at once what JSON can say");
    return escapeJson(json);
  }

  async #flushAndEnd(): Promise<void> {
    if (!this.#isGivenUp) await this.flush().catch(() => {});
    this.#end();
    await this.#sending;
  }

  /** Ends everything at once; what is left is lost. */
  #end(): void {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#closing.abort();
    this.#timer?.cancel();
    this.#timer = undefined;
    // What is in a request is lost by that request, when it notices.
    if (this.#sending === undefined) this.#drop(this.#queue.length, "closed");
  }

  /** Waits for those that are in the queue now, however many come after them, and for the gap. */
  async #drained(): Promise<void> {
    const until = this.#urgentUntil = this.#accepted;
    while (this.#settled < until) {
      this.#send();
      await this.#batch;
    }
    if (this.#gap === undefined) return;
    // What is still sent takes it along.
    await this.#sending;
    if (this.#gap === undefined) return;
    this.#send();
    await this.#batch;
  }

  #sendLater(delayMs = this.#settings.maxDelayMs): void {
    if (this.#timer !== undefined || this.#sending !== undefined) return;
    this.#timer = this.#settings.clock.setTimer(
      () => {
        this.#timer = undefined;
        this.#send();
      },
      delayMs,
      { keepAlive: this.#isAwaited },
    );
  }

  /** Whether an operation waits, and with it the program. */
  get #isAwaited(): boolean {
    return this.required && this.#queue.length > 0;
  }

  #send(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
      if (this.#closing.signal.aborted) this.#drop(this.#queue.length, "closed");
      else if (this.#queue.length > 0) this.#sendLater();
    });
  }

  /** Sends full requests, and then what is left where somebody waits for it. */
  async #sendAll(): Promise<void> {
    let isFirst = true;
    while (!this.#closing.signal.aborted) {
      if (!isFirst && !this.#isDue && this.#settled >= this.#urgentUntil) return;
      isFirst = false;
      await (this.#batch = this.#sendBatch());
    }
  }

  async #sendBatch(): Promise<void> {
    const gap = this.#gap;
    this.#gap = undefined;
    const batch = this.#nextBatch();
    if (batch.length === 0 && gap === undefined) return;
    const parts = batch.map(({ json }) => json);
    if (gap !== undefined) parts.unshift(this.#gapJson(gap));
    const { result, cause } = await this.#deliver(`[${parts.join(",")}]`);
    if (result !== "delivered") {
      if (gap !== undefined) this.#gap = joined(gap, this.#gap);
      if (result !== "too large" || batch.length < 2) return this.#drop(batch.length, cause);
      // At most one event that is too large on its own is lost, not all that were sent with it.
      const bytes = batch.reduce((sum, { json }) => sum + json.length, 0);
      this.#maxBytes = Math.ceil(bytes / 2);
      return await this.#sendBatch();
    }
    this.#isGivenUp = false;
    this.#delivered += batch.length;
    for (const { done } of this.#take(batch.length)) done?.resolve();
  }

  /** What the next request holds; it stays in the queue, which stays bounded that way. */
  #nextBatch(): Queued[] {
    const { maxEvents } = this.#settings;
    let count = 0;
    for (let bytes = 0; count < this.#queue.length && count < maxEvents; count++) {
      bytes += this.#queue[count]!.json.length;
      if (count > 0 && bytes > this.#maxBytes) break;
    }
    return this.#queue.slice(0, count);
  }

  #take(count: number): Queued[] {
    const taken = this.#queue.splice(0, count);
    for (const { json } of taken) this.#queuedBytes -= json.length;
    this.#settled += taken.length;
    return taken;
  }

  #drop(count: number, cause: string): void {
    const dropped = this.#take(count);
    this.#lose(dropped.map(({ event }) => event), cause);
    for (const { done } of dropped) {
      if (done === undefined) this.#lostLater++;
      done?.reject(
        new SecurityError("audit-unavailable", "The webhook did not take the event", {
          details: { cause },
        }),
      );
    }
  }

  async #deliver(body: string): Promise<WebhookAnswer> {
    const id = newId();
    const { retries, retryDelayMs, maxRetryDelayMs, random } = this.#settings;
    const closing = this.#closing.signal;
    for (let attempt = 0;; attempt++) {
      const answer = await sendOnce(this.#settings, id, body, closing);
      this.#isFailing = answer.result === "failed" || answer.result === "refused";
      if (answer.result !== "failed" || attempt === retries || closing.aborted) return answer;
      // Half of it is certain; the other half keeps a fleet from coming back all at once.
      const backOffMs = retryDelayMs * 2 ** attempt * (0.5 + random() / 2);
      await this.#wait(Math.min(Math.max(backOffMs, answer.retryAfterMs), maxRetryDelayMs));
      if (closing.aborted) return answer;
    }
  }

  #wait(delayMs: number): Promise<void> {
    const { clock } = this.#settings;
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.setTimer(end, delayMs, { keepAlive: this.#isAwaited });
      signal.addEventListener("abort", end);
    });
  }

  #lose(events: readonly AuditEvent[], cause: string): void {
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) return;
    this.#lost += events.length;
    const gap: Gap = {
      count: events.length,
      firstTime: first.time,
      lastTime: last.time,
      lastSeq: last.seq,
      causes: new Set([cause]),
    };
    this.#gap = this.#gap === undefined ? gap : joined(this.#gap, gap);
  }

  #gapJson({ count, firstTime, lastTime, lastSeq, causes }: Gap): string {
    const now = new Date(this.#settings.clock.wallMs()).toISOString();
    const event: AuditEvent = {
      id: newId(),
      // It stands where the last one of those that are missing stood.
      seq: lastSeq,
      kind: "audit.gap",
      outcome: "error",
      severity: "error",
      time: now,
      recordedAt: now,
      correlationId: newId(),
      details: { count, firstTime, lastTime, cause: [...causes].join(", ") },
    };
    try {
      return this.#jsonOf(event);
    } catch {
      // A mapper that knows no gaps must not hide one.
      return escapeJson(JSON.stringify(event));
    }
  }
}

function isFull(): SecurityError {
  return new SecurityError("audit-unavailable", "Too many events wait for the webhook");
}

function isPromiseLike(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** What was lost while it waited may be younger or older than what is lost with its request. */
function joined(one: Gap, other: Gap | undefined): Gap {
  if (other === undefined) return one;
  return {
    count: one.count + other.count,
    firstTime: one.firstTime < other.firstTime ? one.firstTime : other.firstTime,
    lastTime: one.lastTime > other.lastTime ? one.lastTime : other.lastTime,
    lastSeq: Math.max(one.lastSeq, other.lastSeq),
    causes: new Set([...one.causes, ...other.causes]),
  };
}
