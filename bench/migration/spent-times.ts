/** Adds up how long calls took, by name. Calls of one name must not overlap, or the time counts twice. */
export class SpentTimes {
  readonly seconds: Record<string, number> = {};

  /** Times a call that does not wait. */
  during<T>(name: string, work: () => T): T {
    const startedAt = performance.now();
    try {
      return work();
    } finally {
      this.#add(name, startedAt);
    }
  }

  /** The same object, its asynchronous methods timed under one name. */
  around<T extends object>(name: string, target: T): T {
    return new Proxy(target, {
      get: (of, key) => {
        const member: unknown = Reflect.get(of, key);
        if (typeof member !== 'function') return member;
        return async (...values: unknown[]) => {
          const startedAt = performance.now();
          try {
            return await (member.apply(of, values) as Promise<unknown>);
          } finally {
            this.#add(name, startedAt);
          }
        };
      },
    });
  }

  #add(name: string, startedAt: number): void {
    this.seconds[name] = (this.seconds[name] ?? 0) + (performance.now() - startedAt) / 1000;
  }
}
