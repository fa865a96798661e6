/** An entry that goes and comes back: the same one by its identity, on the same port. */
import { setTimeout as delay } from 'node:timers/promises';
import { createIdentity, silentLogger, systemRandom } from '@tabmesh/shared';
import { type Entry, type EntryOptions, startEntry } from '@tabmesh/signaling';

export class RestartingEntry {
  readonly url: string;
  readonly #options: EntryOptions;
  #entry: Promise<Entry>;

  static async start(roots: { readonly webRoot: string; readonly modelRoot: string }): Promise<RestartingEntry> {
    const identity = createIdentity(systemRandom);
    const options = { ...roots, host: '127.0.0.1', port: 0, identity, version: 'bench', logger: silentLogger };
    const entry = await startEntry(options);
    return new RestartingEntry({ ...options, port: Number(new URL(entry.url).port) }, entry);
  }

  private constructor(options: EntryOptions, entry: Entry) {
    this.url = entry.url;
    this.#options = options;
    this.#entry = Promise.resolve(entry);
  }

  /** Resolves when it is back. */
  async restart(downMs: number): Promise<void> {
    const before = this.#entry;
    this.#entry = (async () => {
      await (await before).close();
      await delay(downMs);
      return startEntry(this.#options);
    })();
    await this.#entry;
  }

  /** Resolves while it is there. */
  async up(): Promise<void> {
    await this.#entry;
  }

  async close(): Promise<void> {
    await (await this.#entry).close();
  }
}
