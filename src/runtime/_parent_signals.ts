import { Given } from "./_given.ts";

/** What hangs on a signal. Its links are this file's: a `Set` takes longer than all else here. */
export interface SignalFollower {
  /** Who came before it. */
  earlier: SignalFollower | undefined;
  /** Who came after it. */
  later: SignalFollower | undefined;

  /**
   * Called once the signal is aborted, with the follower no longer hanging on it; it must not throw.
   *
   * @param reason Why it was aborted.
   */
  aborted(reason: unknown): void;
}

/** Both ends of those who hang on one signal. */
interface Followers {
  first: SignalFollower | undefined;
  last: SignalFollower | undefined;
}

/** A signal that has, or had, followers. */
class FollowedSignal extends Given {
  readonly #followers: Followers = { first: undefined, last: undefined };

  static of(signal: AbortSignal): Followers | undefined {
    return #followers in signal ? signal.#followers : undefined;
  }
}

function tellFollowers(event: Event): void {
  const signal = event.currentTarget as AbortSignal;
  const followers = FollowedSignal.of(signal);
  // One that leaves while the others are told is not told any more.
  while (followers?.first !== undefined) {
    const follower = followers.first;
    unfollow(signal, follower);
    follower.aborted(signal.reason);
  }
}

/**
 * Hangs a follower on a signal that is not aborted. However many there are, the signal has one listener, as
 * adding one to those it has takes as long as there are many; it has none when all have gone.
 *
 * @param signal The signal.
 * @param follower Who is told.
 */
export function follow(signal: AbortSignal, follower: SignalFollower): void {
  let followers = FollowedSignal.of(signal);
  if (followers === undefined) {
    new FollowedSignal(signal);
    followers = FollowedSignal.of(signal)!;
  }
  const { last } = followers;
  if (last === undefined) {
    followers.first = follower;
    signal.addEventListener("abort", tellFollowers);
  } else {
    last.later = follower;
  }
  follower.earlier = last;
  followers.last = follower;
}

/**
 * Takes a follower off a signal; harmless when it does not hang on it.
 *
 * @param signal The signal.
 * @param follower Who is not to be told.
 */
export function unfollow(signal: AbortSignal, follower: SignalFollower): void {
  const followers = FollowedSignal.of(signal);
  const { earlier, later } = follower;
  if (followers === undefined || earlier === undefined && followers.first !== follower) return;
  if (earlier === undefined) followers.first = later;
  else earlier.later = later;
  if (later === undefined) followers.last = earlier;
  else later.earlier = earlier;
  follower.earlier = undefined;
  follower.later = undefined;
  if (followers.first === undefined) signal.removeEventListener("abort", tellFollowers);
}
