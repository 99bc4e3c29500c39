/** As little of a Redis client as tests need (RESP2, pipelined): it shows what the server itself does. */

interface Waiting {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A connection. Replies come in the order of the commands. */
export class RespClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #waiting: Waiting[] = [];
  #toSend = "";
  #received = "";
  #at = 0;
  /** Commands that were sent. */
  sent = 0;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.#read();
  }

  /** Connects to a server on this machine. */
  static async connect(port: number): Promise<RespClient> {
    return new RespClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends a command; an error reply rejects. */
  readonly command = (...words: string[]): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ resolve, reject });
    this.sent++;
    if (this.#toSend === "") queueMicrotask(() => this.#flush());
    this.#toSend += `*${words.length}\r\n`;
    for (const word of words) this.#toSend += `$${word.length}\r\n${word}\r\n`;
    return promise;
  };

  async #flush(): Promise<void> {
    let bytes = new TextEncoder().encode(this.#toSend);
    this.#toSend = "";
    try {
      while (bytes.length > 0) bytes = bytes.subarray(await this.#connection.write(bytes));
    } catch (error) {
      this.#fail(error);
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    const decoder = new TextDecoder("latin1");
    try {
      while (true) {
        const length = await this.#connection.read(buffer);
        if (length === null) throw new Error("the server closed the connection");
        this.#received = this.#received.slice(this.#at) +
          decoder.decode(buffer.subarray(0, length));
        this.#at = 0;
        while (this.#settleOne());
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #settleOne(): boolean {
    const start = this.#at;
    const reply = this.#parse();
    if (reply === undefined) {
      this.#at = start;
      return false;
    }
    const waiting = this.#waiting.shift();
    if (reply instanceof Error) waiting?.reject(reply);
    else waiting?.resolve(reply);
    return true;
  }

  /** The next reply, or `undefined` when it has not arrived in full. */
  #parse(): unknown {
    const end = this.#received.indexOf("\r\n", this.#at);
    if (end < 0) return undefined;
    const [kind, rest] = [this.#received[this.#at], this.#received.slice(this.#at + 1, end)];
    this.#at = end + 2;
    if (kind === "+") return rest;
    if (kind === "-") return new Error(rest);
    const size = Number(rest);
    if (kind === ":") return size;
    if (size < 0) return null;
    if (kind === "*") {
      const items: unknown[] = [];
      while (items.length < size) {
        const item = this.#parse();
        if (item === undefined) return undefined;
        items.push(item);
      }
      return items;
    }
    if (this.#received.length < this.#at + size + 2) return undefined;
    const text = this.#received.slice(this.#at, this.#at + size);
    this.#at += size + 2;
    return text;
  }

  #fail(error: unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error));
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // It had been closed.
    }
  }
}
