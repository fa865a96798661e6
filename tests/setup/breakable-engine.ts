/** An engine that takes its time, and whose answers break where a test wants it. Pages load this too. */
import { type Engine, type EngineEvent, type GenerationRequest, MeshError, systemClock } from '@tabmesh/shared';

export interface Break {
  /** The token behind which an answer breaks: this one of an answer that begins here, or the very next one of any. */
  readonly at: number | 'next';
  /** `hangs`: says nothing any more, until it is cancelled. */
  readonly how: 'fails' | 'hangs';
}

/** What was given is on its way by then: a provider holds tokens back for four milliseconds. */
const LEAVES_MS = 10;

export class BreakableEngine implements Engine {
  readonly model: Engine['model'];
  /** Undefined: no answer breaks. */
  breaks: Break | undefined;
  readonly #engine: Engine;
  readonly #tokenIntervalMs: number;

  /** Owns the engine. */
  constructor(engine: Engine, tokenIntervalMs = 0) {
    this.model = engine.model;
    this.#engine = engine;
    this.#tokenIntervalMs = tokenIntervalMs;
  }

  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    let given = 0;
    for await (const event of this.#engine.generate(request, signal)) {
      yield event;
      if (event.type !== 'tokens') continue;
      given += event.tokenCount;
      if (this.#tokenIntervalMs > 0) await pause(this.#tokenIntervalMs);
      const { at, how } = this.breaks ?? {};
      if (at === undefined) continue;
      if (at === 'next') this.breaks = undefined;
      else if (request.continues !== undefined || given < at) continue;
      await pause(LEAVES_MS);
      if (how === 'hangs') await aborted(signal);
      else throw MeshError.engineFailed('the test wants it so');
    }
  }

  onLost(listener: (error: Error) => void): () => void {
    return this.#engine.onLost(listener);
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  throw MeshError.cancelled();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void systemClock.after(ms, resolve));
}
