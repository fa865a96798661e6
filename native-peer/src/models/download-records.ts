/** Where each downloaded model came from, so that the same pull again is no download and another one no overwriting. */
import { z } from 'zod';
import { dropEntry, keepEntry, readEntries } from '../home/kept-entries.ts';

const DownloadRecord = z.object({
  url: z.string(),
  sha256: z.string(),
  sizeBytes: z.number(),
  /** `owner/name` at the hub, for who pulled it by that name. */
  repository: z.string().optional(),
});
export type DownloadRecord = z.infer<typeof DownloadRecord>;

export class DownloadRecords {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  async get(id: string): Promise<DownloadRecord | undefined> {
    return (await this.all()).get(id);
  }

  /** Entries that somebody broke are left out. */
  async all(): Promise<ReadonlyMap<string, DownloadRecord>> {
    const entries = await readEntries(this.#file);
    return new Map(
      entries.flatMap(([id, value]) => {
        const record = DownloadRecord.safeParse(value);
        return record.success ? [[id, record.data] as const] : [];
      }),
    );
  }

  keep(id: string, record: DownloadRecord): Promise<void> {
    return keepEntry(this.#file, id, record);
  }

  drop(id: string): Promise<void> {
    return dropEntry(this.#file, id);
  }
}
