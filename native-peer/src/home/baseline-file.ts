/** Native baselines on disk: one small JSON file, each under the identity of its model file. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BaselineStore } from '@tabmesh/shared';
import { MOST_KEPT_ENTRIES } from '../limits.ts';

/** Reading a file that is missing or broken finds nothing, and the next write replaces it. */
export function createBaselineFile(file: string): BaselineStore {
  let last: Promise<void> = Promise.resolve();
  return {
    get: async (key) => new Map(await read(file)).get(key),
    set(key, stored) {
      // One after the other: two models that are measured at once must not write over each other.
      const written = last.then(async () => {
        const others = (await read(file)).filter(([kept]) => kept !== key);
        await replace(file, Object.fromEntries([...others, [key, stored]].slice(-MOST_KEPT_ENTRIES)));
      });
      last = written.catch(() => {});
      return written;
    },
  };
}

async function read(file: string): Promise<[string, unknown][]> {
  try {
    const content: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof content === 'object' && content !== null ? Object.entries(content) : [];
  } catch {
    return [];
  }
}

/** Replaced whole, so that a reader never sees half a file. */
async function replace(file: string, content: object): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`);
  await rename(draft, file);
}
