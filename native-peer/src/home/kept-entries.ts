/** A small JSON file of entries by name, for what is worth keeping between runs and no loss when it is gone. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MOST_KEPT_ENTRIES } from '../limits.ts';

/** A file that is missing or broken has none, and the next write replaces it. */
export async function readEntries(file: string): Promise<[string, unknown][]> {
  try {
    const content: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof content === 'object' && content !== null ? Object.entries(content) : [];
  } catch {
    return [];
  }
}

/** Of two writers at once the last one's entries stay. */
export async function keepEntry(file: string, name: string, value: unknown): Promise<void> {
  const others = (await readEntries(file)).filter(([kept]) => kept !== name);
  await replace(file, [...others, [name, value]].slice(-MOST_KEPT_ENTRIES) as [string, unknown][]);
}

export async function dropEntry(file: string, name: string): Promise<void> {
  const entries = await readEntries(file);
  const others = entries.filter(([kept]) => kept !== name);
  if (others.length < entries.length) await replace(file, others);
}

/** Whole, so that a reader never sees half a file. */
async function replace(file: string, entries: readonly [string, unknown][]): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`);
  await rename(draft, file);
}
