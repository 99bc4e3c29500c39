/** What becomes of responses that never end, or that nobody waits for any more. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { send } from "../../src/dpop/_client_fetch.ts";
import { ClientNonces } from "../../src/dpop/_client_nonces.ts";
import { toOutgoing } from "../../src/dpop/_client_request.ts";
import { createDpopClient } from "../../src/dpop/dpop_client.ts";

const API = "https://api.example.com/notes";
const encoder = new TextEncoder();

interface Watched {
  readonly response: Response;
  /** Whether the sender was told that nobody reads on. */
  isCancelled(): boolean;
}

/** An error that may ask for a nonce, of which `pull` says what its body is. */
function askSlowly(pull: (controller: ReadableStreamDefaultController) => unknown): Watched {
  let cancelled = false;
  const body = new ReadableStream({
    pull: async (controller) => {
      await pull(controller);
    },
    cancel() {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  const headers = { "content-type": "application/json", "dpop-nonce": "n1" };
  return {
    response: new Response(body, { status: 400, headers }),
    isCancelled: () => cancelled,
  };
}

/** Sends as a client does, but for how long it reads errors. */
function sendWith(response: Response, errorTimeoutMs: number): Promise<Response> {
  return send(toOutgoing(API, {}), undefined, {
    fetch: () => Promise.resolve(response),
    nonces: new ClientNonces(1),
    dangerouslyAllowHttp: false,
    errorTimeoutMs,
    prove: () => Promise.resolve("proof"),
  });
}

const never = () => new Promise<never>(() => {});

Deno.test("DpopClient.fetch() returns an error whose body does not end", async () => {
  let drops = 0;
  let isOver: boolean;
  const drip = (controller: ReadableStreamDefaultController) =>
    new Promise<void>((resolve) => {
      setTimeout(() => {
        drops++;
        if (!isOver) controller.enqueue(encoder.encode(" "));
        resolve();
      }, 2);
    });
  // That one byte comes after the other resets no limit.
  for (const pull of [never, drip]) {
    isOver = false;
    const { response, isCancelled } = askSlowly(pull);
    const got = await sendWith(response, 20);
    assertStrictEquals(got, response);
    // The control: its caller can still read it.
    const reading = got.body!.getReader();
    if (pull === drip) assertEquals((await reading.read()).value, encoder.encode(" "));
    isOver = true;
    await reading.cancel();
    assert(isCancelled());
  }
  assert(drops > 0);
  // The last drop may still be on its way.
  await new Promise((resolve) => setTimeout(resolve, 5));
});

Deno.test("DpopClient.fetch() reads an error that is slow, but in time", async () => {
  const { response } = askSlowly(async (controller) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    controller.enqueue(encoder.encode('{"error":"use_dpop_nonce"}'));
    controller.close();
  });
  const answers = [response, new Response("at last")];
  const client = await createDpopClient({
    alg: "Ed25519",
    fetch: () => Promise.resolve(answers.shift()!),
  });
  assertEquals(await (await client.fetch(API)).text(), "at last");
});

Deno.test("DpopClient.fetch() cancels the error that it reads when it is told to stop", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const { response, isCancelled } = askSlowly(() => {
    queueMicrotask(() => controller.abort(reason));
    return never();
  });
  const client = await createDpopClient({
    alg: "Ed25519",
    fetch: () => Promise.resolve(response),
  });
  const { signal } = controller;
  const error = await assertRejects(() => client.fetch(API, { signal }), Error);
  assertStrictEquals(error, reason);
  await settled();
  assert(isCancelled());
});

Deno.test("DpopClient.fetch() cancels a response that comes after it was told to stop", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const { response, isCancelled } = askSlowly(never);
  const late = Promise.withResolvers<Response>();
  const client = await createDpopClient({
    alg: "Ed25519",
    fetch: () => {
      queueMicrotask(() => controller.abort(reason));
      return late.promise;
    },
  });
  const { signal } = controller;
  const error = await assertRejects(() => client.fetch(API, { signal }), Error);
  assertStrictEquals(error, reason);
  assert(!isCancelled());
  late.resolve(response);
  await settled();
  assert(isCancelled());
});

/** Lets everything happen that waits for nothing but its turn. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
