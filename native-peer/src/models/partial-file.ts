/** What came of a download so far, and which version of the file it is the beginning of. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';

export interface Note {
  readonly url: string;
  /** A strong etag; without one a partial file can't be continued safely. */
  readonly etag: string;
}

const noteOf = (part: string) => `${part}.json`;

export async function readNote(part: string, url: string): Promise<Note | undefined> {
  try {
    const note: Partial<Note> = JSON.parse(await readFile(noteOf(part), 'utf8'));
    return note.url === url && typeof note.etag === 'string' ? { url, etag: note.etag } : undefined;
  } catch {
    return undefined;
  }
}

export async function writeNote(part: string, url: string, etag: string | null): Promise<void> {
  if (etag === null || etag.startsWith('W/')) await dropNote(part);
  else await writeFile(noteOf(part), JSON.stringify({ url, etag } satisfies Note));
}

/** Of a file that is whole. */
export async function dropNote(part: string): Promise<void> {
  await rm(noteOf(part), { force: true });
}

export async function discard(part: string): Promise<void> {
  await rm(part, { force: true });
  await dropNote(part);
}

/** Of what came so far. */
export async function bytesIn(part: string): Promise<number> {
  try {
    return (await stat(part)).size;
  } catch {
    return 0;
  }
}
