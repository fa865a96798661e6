/**
 * An attack on a running entry, from this process over loopback. What honest clients and the entry's memory suffer
 * meanwhile is the business of whoever starts it.
 */
export interface Attack {
  readonly name: string;
  /** Resolves once the attack is under way, with what ends it; that resolves when nothing of it is left. */
  start(entryUrl: string): Promise<() => Promise<void>>;
}

/** Everything that an attack began, ended in the reverse order. */
export function createEndings() {
  const endings: (() => unknown)[] = [];
  return {
    add(end: () => unknown): void {
      endings.push(end);
    },
    async end(): Promise<void> {
      for (const end of endings.splice(0).reverse()) await end();
    },
  };
}
