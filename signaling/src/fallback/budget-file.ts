/** The fallback budget in one JSON file: small, since an hour of spending is all that it holds. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Logger } from '@tabmesh/shared';
import { z } from 'zod';
import type { BudgetStore } from './fallback-budget.ts';

const Saved = z.record(z.string(), z.array(z.number()));

export function createBudgetFile(path: string, logger: Logger): BudgetStore {
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        const isNew = error instanceof Error && 'code' in error && error.code === 'ENOENT';
        if (!isNew) logger.warn({ error, path }, "The fallback budget can't be read: it starts anew.");
        return {};
      }
      try {
        return Saved.parse(JSON.parse(text));
      } catch {
        logger.warn({ path }, 'The fallback budget on disk is damaged: it starts anew.');
        return {};
      }
    },
    /** Written aside and renamed: a crash never leaves half a file. Addresses are nobody else's to read. */
    async save(record) {
      const aside = `${path}.${process.pid}.new`;
      await writeFile(aside, JSON.stringify(record), { mode: 0o600 });
      await rename(aside, path);
    },
  };
}
