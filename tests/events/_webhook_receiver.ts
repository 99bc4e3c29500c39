/** A receiver of webhooks in memory. */
import type { AuditEvent } from "../../src/events/audit_event.ts";
import {
  type WebhookSink,
  webhookSink,
  type WebhookSinkOptions,
} from "../../src/events/webhook_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { auditEvent } from "./_mapped_events.ts";

/** Whose path and query nobody may see. */
export const URL_WITH_SECRET = "https://siem.example/T0P-S3CR3T?key=S3CR3T";

/** A request. */
export interface Sent {
  readonly url: string;
  readonly init: RequestInit;
  readonly headers: Headers;
  readonly events: AuditEvent[];
}

/** How a receiver answers. */
export type Answer = Response | Error | "never" | ((sent: Sent) => Response | Promise<Response>);

/** A receiver in memory: it gives its answers one after the other, the last one for ever. */
function receiver(...answers: Answer[]): {
  readonly sent: Sent[];
  readonly fetch: NonNullable<WebhookSinkOptions["fetch"]>;
} {
  const sent: Sent[] = [];
  return {
    sent,
    async fetch(url, init) {
      const request = {
        url,
        init,
        headers: new Headers(init.headers),
        events: JSON.parse(String(init.body)),
      };
      sent.push(request);
      const answer = answers[Math.min(sent.length, answers.length) - 1] ?? new Response();
      if (answer === "never") return await new Promise(() => {});
      if (answer instanceof Error) throw answer;
      return typeof answer === "function" ? await answer(request) : answer.clone();
    },
  };
}

/** An answer of nothing but a status. */
export function status(code: number, headers: HeadersInit = {}): Response {
  return new Response(null, { status: code, headers });
}

/** A sink, its time, and what it sent. */
export interface Fixture {
  readonly sink: WebhookSink;
  readonly clock: VirtualClock;
  readonly sent: Sent[];
}

/** A sink before a receiver in memory. */
export function fixture(answers: Answer[], options: Partial<WebhookSinkOptions> = {}): Fixture {
  const clock = new VirtualClock();
  const { sent, fetch } = receiver(...answers);
  const sink = webhookSink({ url: URL_WITH_SECRET, fetch, clock, random: () => 1, ...options });
  return { sink, clock, sent };
}

/** Lets everything happen that waits for no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
}

/** The numbers of the events in each request; -1 is the record of a gap. */
export function seqs(sent: readonly Sent[]): number[][] {
  return sent.map(({ events }) => events.map(({ kind, seq }) => kind === "audit.gap" ? -1 : seq));
}

/** Writes events with numbers in a row. */
export function writeAll(sink: WebhookSink, count: number, from = 0): void {
  for (let seq = from; seq < from + count; seq++) sink.write(auditEvent({ seq }));
}
