/**
 * Returns the object that it is given, so that a subclass puts its private fields on that one: facts about
 * somebody else's object, which nobody else sees, and which go when it goes. A `WeakMap` says the same, and
 * takes over 10 times as long for an object that lives as long as one call (bench/runtime_bench.ts).
 */
export class Given {
  constructor(object: object) {
    return object;
  }
}
