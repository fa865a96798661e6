/** What was measured of this browser's adapters and of the models that ran on them, kept as one text. */
import type { DeviceSpeed, LearnedRate } from '@tabmesh/shared';
import { z } from 'zod/mini';
import { MAX_KEPT_DEVICES, MAX_KEPT_RATES } from '../../limits.ts';

/** Where the text lies; without storage it lasts as long as the page. */
export interface SpeedStore {
  read(): string | undefined;
  write(text: string): void;
}

const positive = z.number().check(z.positive());
const KeptSpeed = z.object({
  device: z.string(),
  memoryBytesPerSecond: positive,
  operationsPerSecond: positive,
  tokenOverheadMs: z.number().check(z.nonnegative()),
  measuredAtMs: z.number(),
});
const KeptRate = z.object({
  device: z.string(),
  model: z.string(),
  sizeBytes: positive,
  possibleTokensPerSecond: positive,
  measuredTokensPerSecond: positive,
});
const Book = z.object({ speeds: z.array(KeptSpeed), rates: z.array(KeptRate) });

export type KeptSpeed = z.infer<typeof KeptSpeed>;
/** Of a model by the id of its offer. */
export type KeptRate = LearnedRate & { readonly device: string; readonly model: string };

export class SpeedBook {
  readonly #store: SpeedStore;

  constructor(store: SpeedStore) {
    this.#store = store;
  }

  speedOf(device: string): KeptSpeed | undefined {
    return this.#read().speeds.find((kept) => kept.device === device);
  }

  keepSpeed(device: string, speed: DeviceSpeed, measuredAtMs: number): void {
    const { speeds, rates } = this.#read();
    const others = speeds.filter((kept) => kept.device !== device);
    this.#write({ rates, speeds: [{ device, ...speed, measuredAtMs }, ...others].slice(0, MAX_KEPT_DEVICES) });
  }

  /** The last one of each model, the newest first. */
  ratesOn(device: string): readonly KeptRate[] {
    return this.#read().rates.filter((kept) => kept.device === device);
  }

  keepRate(rate: KeptRate): void {
    const { speeds, rates } = this.#read();
    const others = rates.filter(({ device, model }) => device !== rate.device || model !== rate.model);
    this.#write({ speeds, rates: [rate, ...others].slice(0, MAX_KEPT_RATES) });
  }

  /** What somebody broke is measured again. */
  #read(): z.infer<typeof Book> {
    try {
      return Book.parse(JSON.parse(this.#store.read() ?? ''));
    } catch {
      return { speeds: [], rates: [] };
    }
  }

  #write(book: z.infer<typeof Book>): void {
    this.#store.write(JSON.stringify(book));
  }
}
