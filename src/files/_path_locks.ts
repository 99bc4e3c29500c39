/**
 * The order of changes to a path within this process.
 *
 * Without it a client could race the server's own rename: ask for a read and a rename at once, and win
 * on some tries.
 *
 * @module
 */

import { fold, ignoresCase } from "./_compiled_policy.ts";
import { fileError } from "./_errors.ts";

/** One of the paths that an operation needs. */
export interface PathLock {
  /** Canonical, absolute. */
  readonly path: string;
  /** Nobody else may use the path or anything below; otherwise only nobody may change it. */
  readonly exclusive: boolean;
}

/** Lets go of all paths of a request; a second call does nothing. */
export type ReleasePaths = () => void;

/** Options of {@linkcode PathLocks}. */
export interface PathLocksOptions {
  /** Most requests that wait. @default {10_000} */
  readonly maxQueued?: number;
}

/** A request that holds its paths or waits for them, in the order of arrival. */
interface Request {
  readonly locks: readonly PathLock[];
  readonly exclusive: boolean;
  previous: Request | undefined;
  next: Request | undefined;
  /** Waiting ones that go on once this one is gone. */
  parked: Set<Request> | undefined;
  /** What this one waits for; the youngest of all that it conflicts with. */
  blocker: Request | undefined;
  grant: (() => void) | undefined;
}

/**
 * Locks on paths, taken all at once and in turn: a request waits for every earlier one that it conflicts
 * with, be that held or waiting, and for no other. So nobody overtakes, and there is no circle.
 *
 * Two locks conflict when one of them is exclusive and the other lies at its path or below. A request
 * must not be made by whoever holds one that conflicts with it.
 *
 * A request looks at each older one at most once, however often it is woken.
 */
export class PathLocks {
  readonly #maxQueued: number;
  #tail: Request | undefined;
  #exclusive = 0;
  #queued = 0;

  /** @param options How many may wait. */
  constructor(options: PathLocksOptions = {}) {
    const { maxQueued = 10_000 } = options;
    if (!Number.isSafeInteger(maxQueued) || maxQueued < 0) {
      throw new RangeError(
        `'maxQueued' must be a whole number from 0 on: current value is ${maxQueued}`,
      );
    }
    this.#maxQueued = maxQueued;
  }

  /**
   * Whether nothing is changed or about to be: then whoever reads without an `await` needs no lock, since
   * no other request can come between.
   */
  get idle(): boolean {
    return this.#exclusive === 0;
  }

  /** How many requests wait. */
  get queued(): number {
    return this.#queued;
  }

  /**
   * Takes all locks at once; without a promise when they are free.
   *
   * @param locks The paths; the same path may occur more than once.
   * @param signal Ends the wait; nothing is taken then.
   * @returns What lets go of them.
   * @throws {SecurityError} `too-many-operations` when too many wait.
   */
  acquire(locks: readonly PathLock[], signal?: AbortSignal): ReleasePaths | Promise<ReleasePaths> {
    signal?.throwIfAborted();
    const exclusive = locks.some((lock) => lock.exclusive);
    const request: Request = {
      locks: locks.map(comparable),
      exclusive,
      previous: this.#tail,
      next: undefined,
      parked: undefined,
      blocker: undefined,
      grant: undefined,
    };
    const blocker = exclusive || this.#exclusive > 0 ? blockerOf(request, this.#tail) : undefined;
    if (blocker !== undefined && this.#queued >= this.#maxQueued) {
      throw fileError("too-many-operations", { reason: "too many wait for a path" });
    }
    if (this.#tail !== undefined) this.#tail.next = request;
    this.#tail = request;
    if (exclusive) this.#exclusive++;
    if (blocker === undefined) return this.#releaser(request);
    return this.#wait(request, blocker, signal);
  }

  #wait(
    request: Request,
    blocker: Request,
    signal: AbortSignal | undefined,
  ): Promise<ReleasePaths> {
    this.#queued++;
    park(request, blocker);
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#queued--;
        request.blocker?.parked?.delete(request);
        request.grant = undefined;
        this.#remove(request);
        reject(signal?.reason);
      };
      request.grant = () => {
        this.#queued--;
        signal?.removeEventListener("abort", abort);
        request.grant = undefined;
        resolve(this.#releaser(request));
      };
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  #releaser(request: Request): ReleasePaths {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#remove(request);
    };
  }

  /** Takes a request out, and sees to those that waited for it. */
  #remove(request: Request): void {
    const { previous, next, parked } = request;
    if (previous !== undefined) previous.next = next;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    if (request.exclusive) this.#exclusive--;
    if (parked === undefined) return;
    request.parked = undefined;
    for (const waiting of parked) {
      // All between the two were looked at before and stand in nobody's way: go on with the older ones.
      const blocker = blockerOf(waiting, previous);
      waiting.blocker = undefined;
      if (blocker === undefined) waiting.grant?.();
      else park(waiting, blocker);
    }
  }
}

/** The locks of this process, whichever validator asks. */
export const pathLocks: PathLocks = new PathLocks();

function park(request: Request, blocker: Request): void {
  request.blocker = blocker;
  (blocker.parked ??= new Set()).add(request);
}

/** The youngest request, from one on backwards, that another one has to wait for. */
function blockerOf(request: Request, from: Request | undefined): Request | undefined {
  for (let other = from; other !== undefined; other = other.previous) {
    if ((request.exclusive || other.exclusive) && requestsConflict(request, other)) return other;
  }
  return undefined;
}

/** Asked once for each pair of requests, so that it counts its way instead of iterating. */
function requestsConflict(a: Request, b: Request): boolean {
  for (let one = 0; one < a.locks.length; one++) {
    for (let other = 0; other < b.locks.length; other++) {
      if (conflict(a.locks[one]!, b.locks[other]!)) return true;
    }
  }
  return false;
}

/** Whether two locks cannot be held at the same time. */
function conflict(a: PathLock, b: PathLock): boolean {
  return (a.exclusive && covers(a.path, b.path)) || (b.exclusive && covers(b.path, a.path));
}

const SLASH = 0x2f;
const BACKSLASH = 0x5c;

function isSeparator(unit: number): boolean {
  return unit === SLASH || unit === BACKSLASH;
}

/**
 * Whether `path` is `above` or lies below it. On POSIX a backslash is part of a name, so that this may
 * take `/a\b` to be below `/a`: a wait that was not needed, never a lock that was missed.
 */
function covers(above: string, path: string): boolean {
  if (path.length < above.length || !path.startsWith(above)) return false;
  return path.length === above.length || isSeparator(path.charCodeAt(above.length)) ||
    isSeparator(above.charCodeAt(above.length - 1));
}

/** Two names that the file system takes for the same must not be two locks. */
function comparable(lock: PathLock): PathLock {
  return ignoresCase(lock.path) ? { path: fold(lock.path), exclusive: lock.exclusive } : lock;
}
