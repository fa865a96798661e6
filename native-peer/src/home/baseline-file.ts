/** Native baselines on disk: one small JSON file, each under the identity of its model file. */
import type { BaselineStore } from '@tabmesh/shared';
import { keepEntry, readEntries } from './kept-entries.ts';

export function createBaselineFile(file: string): BaselineStore {
  let last: Promise<void> = Promise.resolve();
  return {
    get: async (key) => new Map(await readEntries(file)).get(key),
    set(key, stored) {
      // One after the other: two models that are measured at once must not write over each other.
      const written = last.then(() => keepEntry(file, key, stored));
      last = written.catch(() => {});
      return written;
    },
  };
}
