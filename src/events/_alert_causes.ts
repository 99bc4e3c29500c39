/**
 * Which rules have led to what is running now: an action that reports to the log which its own rule watches would go
 * on for ever.
 *
 * @module
 */

/** Rules that have led to something, by their identity. */
export type Causes = ReadonlySet<object>;

interface Storage {
  run<T>(causes: Causes, fn: () => T): T;
  getStore(): Causes | undefined;
}

let storage: Storage | undefined;

/**
 * Where the runtime cannot follow what is asynchronous (browsers), only what an action does before it first waits is
 * known to be its doing; cool-downs and the number of actions at once bound the rest.
 */
class SynchronousStorage implements Storage {
  #causes: Causes | undefined;

  run<T>(causes: Causes, fn: () => T): T {
    const before = this.#causes;
    this.#causes = causes;
    try {
      return fn();
    } finally {
      this.#causes = before;
    }
  }

  getStore(): Causes | undefined {
    return this.#causes;
  }
}

function storageOf(): Storage {
  return storage ??= asyncStorage() ?? new SynchronousStorage();
}

function asyncStorage(): Storage | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const module = process?.getBuiltinModule?.("node:async_hooks") as
    | { AsyncLocalStorage?: new () => Storage }
    | undefined;
  return module?.AsyncLocalStorage && new module.AsyncLocalStorage();
}

/** The rules that have led to what is running now; `undefined` where no rule has. */
export function currentCauses(): Causes | undefined {
  // As long as no rule has led to anything, there is nothing to look up.
  return storage?.getStore();
}

/** Runs something that a rule has led to. */
export function asCausedBy<T>(causes: Causes, fn: () => T): T {
  return storageOf().run(causes, fn);
}
