/** A backend whose every step a test can watch, hold up, or make fail. */
import type {
  Access,
  BackendFactory,
  FileBackend,
  Located,
  ObjectInfo,
  OpenFile,
} from "../../src/files/backends/backend.ts";

/** What a test does at each step. */
export interface Hooks {
  /** Before a root is opened. */
  readonly beforeOpenRoot?: () => void;
  /** Before anything is looked up. */
  readonly beforeLocate?: () => void;
  /** What is said of an object, instead of the truth. */
  readonly info?: (truth: ObjectInfo) => ObjectInfo;
  /** After a file was opened. */
  readonly afterOpen?: (path: string) => void;
  /** Around every read off the thread. */
  readonly aroundRead?: (into: Uint8Array, read: () => Promise<number>) => Promise<number>;
  /** Before every write. */
  readonly beforeWrite?: () => void;
  /** Before every rename. */
  readonly beforeRename?: () => void;
}

/** Counts what is open, so that a test sees what was forgotten. */
export class OpenHandles {
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Notes one; the function that it returns notes its end, once. */
  add(): () => void {
    let open = true;
    this.#count++;
    return () => {
      if (open) this.#count--;
      open = false;
    };
  }
}

/** Wraps a backend. */
export function wrapBackend(
  factory: BackendFactory,
  hooks: Hooks,
  handles: OpenHandles = new OpenHandles(),
): BackendFactory {
  return async () => {
    const backend = await factory();
    const wrap = (locate: () => Located): Located => {
      hooks.beforeLocate?.();
      return wrapLocated(locate(), hooks, handles);
    };
    const wrapped: FileBackend = {
      protection: backend.protection,
      openRoot: (path) => {
        hooks.beforeOpenRoot?.();
        return backend.openRoot(path);
      },
      locate: (...args) => wrap(() => backend.locate(...args)),
      locateAbsolute: (...args) => wrap(() => backend.locateAbsolute(...args)),
      close: () => backend.close(),
    };
    return wrapped;
  };
}

/** What stands behind a wrapped object. */
const originals = new WeakMap<Located, Located>();

function wrapLocated(located: Located, hooks: Hooks, handles: OpenHandles): Located {
  const ended = handles.add();
  const overrides: Partial<Located> & { readonly info: ObjectInfo } = {
    get info() {
      return hooks.info?.(located.info) ?? located.info;
    },
    openFile(access: Access) {
      const file = wrapFile(located.openFile(access), hooks, handles);
      hooks.afterOpen?.(located.path);
      return file;
    },
    // A backend renames between its own directories only.
    rename: (name, target, targetName, options) => {
      hooks.beforeRename?.();
      located.rename(name, originals.get(target) ?? target, targetName, options);
    },
    close() {
      located.close();
      ended();
    },
  };
  const wrapped = overlay(located, overrides);
  originals.set(wrapped, located);
  return wrapped;
}

function wrapFile(file: OpenFile, hooks: Hooks, handles: OpenHandles): OpenFile {
  const ended = handles.add();
  return overlay(file, {
    read(into: Uint8Array, offset: number) {
      const read = () => file.read(into, offset);
      return hooks.aroundRead === undefined ? read() : hooks.aroundRead(into, read);
    },
    write(from: Uint8Array, offset: number) {
      hooks.beforeWrite?.();
      return file.write(from, offset);
    },
    close() {
      file.close();
      ended();
    },
  });
}

/** An object that looks like another one but for some members. */
function overlay<T extends object>(base: T, overrides: Partial<T>): T {
  return new Proxy(base, {
    get(target, key) {
      const from = key in overrides ? overrides : target;
      const value: unknown = Reflect.get(from, key, from);
      return typeof value === "function" ? value.bind(from) : value;
    },
  });
}
