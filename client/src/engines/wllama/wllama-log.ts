/** Listens to wllama's log, because the reasons of its failures are told nowhere else. Nothing reaches the console. */
import { MeshError } from '@tabmesh/shared';
import type { WllamaLogger } from '@wllama/wllama/esm/index.js';
import { MAX_KEPT_LOG_LINES } from '../../limits.ts';

export class NativeErrors {
  readonly #lines: string[] = [];
  readonly logger: WllamaLogger;
  /** Rejects when the worker breaks outside a call: wllama logs the event and waits on. Never resolves. */
  readonly workerBroken: Promise<never>;

  constructor() {
    let workerBroke: (error: MeshError) => void = () => {};
    this.workerBroken = new Promise((_, reject) => {
      workerBroke = reject;
    });
    // Who waits for it hears it; when nobody does any more, it is no news.
    this.workerBroken.catch(() => {});
    const ignore = () => {};
    this.logger = {
      debug: ignore,
      log: ignore,
      warn: ignore,
      error: (first: unknown) => {
        if (first instanceof ErrorEvent) workerBroke(MeshError.engineFailed(`its worker broke: ${first.message}`));
        if (typeof first === 'string' && !first.startsWith('Stack trace')) this.#keep(first.trim());
      },
    };
  }

  get last(): string | undefined {
    return this.#lines.at(-1);
  }

  /** Why a load that resolved did not succeed. */
  loadError(): MeshError {
    const log = this.#lines.join('\n');
    if (/failed to create.context|allocat|out of memory/i.test(log)) {
      return new MeshError(
        'out_of_memory',
        'This device has not enough memory for the model. Close other tabs, lend fewer slots or choose a smaller model.',
      );
    }
    const reason = /error loading model[^:]*: (.+)/.exec(log)?.[1] ?? 'its contents make no sense to llama.cpp';
    return MeshError.modelInvalid(
      `The model can't be loaded (${reason}). Download it again, or choose a model that this llama.cpp knows.`,
    );
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > MAX_KEPT_LOG_LINES) this.#lines.shift();
  }
}
