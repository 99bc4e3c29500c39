/**
 * The little of IndexedDB that a key store needs, as promises.
 *
 * @module
 */

/** A request. */
interface IdbRequest {
  readonly result: unknown;
  readonly error: unknown;
  onsuccess: unknown;
  onerror: unknown;
}

interface IdbOpenRequest extends IdbRequest {
  readonly result: IdbDatabase;
  onupgradeneeded: unknown;
}

interface IdbObjectStore {
  get(key: string): IdbRequest;
  put(value: unknown, key: string): IdbRequest;
}

interface IdbTransaction {
  readonly error: unknown;
  oncomplete: unknown;
  onerror: unknown;
  onabort: unknown;
  objectStore(name: string): IdbObjectStore;
  abort(): void;
}

interface IdbDatabase {
  createObjectStore(name: string): unknown;
  transaction(name: string, mode: "readonly" | "readwrite"): IdbTransaction;
  close(): void;
}

/** `indexedDB`, as far as it is used. */
export interface IdbFactory {
  /** Opens a database. */
  open(name: string, version: number): unknown;
}

const OBJECT_STORE = "sets";
const RECORD = "set";

/**
 * Reads the one record.
 *
 * @param factory IndexedDB.
 * @param name Name of the database.
 * @returns The record, `undefined` when there is none.
 */
export async function readRecord(factory: IdbFactory, name: string): Promise<unknown> {
  let record: unknown;
  await inTransaction(factory, name, "readonly", (store) => {
    const request = store.get(RECORD);
    request.onsuccess = () => {
      record = request.result;
    };
  });
  return record;
}

/**
 * Replaces the one record if it is still what it is expected to be: look and write are one transaction, and
 * the transactions of all tabs come one after the other.
 *
 * @param factory IndexedDB.
 * @param name Name of the database.
 * @param expects Whether the record that is there is the one to replace.
 * @param record The new one.
 * @returns Whether it was replaced.
 */
export async function replaceRecord(
  factory: IdbFactory,
  name: string,
  expects: (record: unknown) => boolean,
  record: unknown,
): Promise<boolean> {
  let isReplaced = false;
  await inTransaction(factory, name, "readwrite", (store, fail) => {
    const request = store.get(RECORD);
    request.onsuccess = () => {
      try {
        if (!expects(request.result)) return;
        store.put(record, RECORD);
        isReplaced = true;
      } catch (error) {
        // Some browsers cannot clone a CryptoKey in private mode.
        fail(error);
      }
    };
  });
  return isReplaced;
}

async function inTransaction(
  factory: IdbFactory,
  name: string,
  mode: "readonly" | "readwrite",
  work: (store: IdbObjectStore, fail: (error: unknown) => void) => void,
): Promise<void> {
  // Opened for each transaction: no connection is left that would block another tab, or have to be closed.
  const database = await open(factory, name);
  try {
    await new Promise<void>((resolve, reject) => {
      const transaction = database.transaction(OBJECT_STORE, mode);
      transaction.oncomplete = () => resolve();
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
      work(transaction.objectStore(OBJECT_STORE), (error) => {
        reject(error);
        transaction.abort();
      });
    });
  } finally {
    database.close();
  }
}

function open(factory: IdbFactory, name: string): Promise<IdbDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, 1) as IdbOpenRequest;
    request.onupgradeneeded = () => void request.result.createObjectStore(OBJECT_STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
