import { assertEquals } from "@std/assert";
import { follow, type SignalFollower, unfollow } from "../../src/runtime/_parent_signals.ts";

class Noting implements SignalFollower {
  earlier: SignalFollower | undefined;
  later: SignalFollower | undefined;

  constructor(
    readonly name: string,
    readonly told: string[],
    readonly then?: () => void,
  ) {}

  aborted(reason: unknown): void {
    this.told.push(`${this.name}: ${reason}`);
    this.then?.();
  }
}

Deno.test("follow() and unfollow() tell exactly those who hang on the signal, in their order", () => {
  const names = ["a", "b", "c", "d"];
  // Every set of those who leave, from either end, and twice.
  for (let leaving = 0; leaving < 16; leaving++) {
    for (const isBackwards of [false, true]) {
      const controller = new AbortController();
      const told: string[] = [];
      const followers = names.map((name) => new Noting(name, told));
      followers.forEach((follower) => follow(controller.signal, follower));
      const gone = followers.filter((_, at) => leaving & (1 << at));
      if (isBackwards) gone.reverse();
      for (const follower of [...gone, ...gone]) unfollow(controller.signal, follower);
      controller.abort("over");
      const stayed = names.filter((_, at) => !(leaving & (1 << at)));
      assertEquals(told, stayed.map((name) => `${name}: over`));
    }
  }
});

Deno.test("follow() tells nobody who leaves while the others are told", () => {
  const controller = new AbortController();
  const told: string[] = [];
  const last = new Noting("c", told);
  const first = new Noting("a", told, () => unfollow(controller.signal, last));
  for (const follower of [first, new Noting("b", told), last]) follow(controller.signal, follower);
  controller.abort("over");
  assertEquals(told, ["a: over", "b: over"]);
});

Deno.test("unfollow() is harmless for a signal that nobody follows", () => {
  unfollow(new AbortController().signal, new Noting("a", []));
});
