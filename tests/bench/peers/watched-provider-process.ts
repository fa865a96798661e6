/** A native peer in a process of its own that tells when its engine has let go of an answer, on the machine's clock. */
import type { Engine } from '@tabmesh/shared';
import { loadLlamaEngine } from '../../../native-peer/src/llama/load-llama-engine.ts';
import { answerCalls } from '../run/answer-calls.ts';
import type { Serving } from './bench-mesh.ts';
import { joinFromNode } from './node-mesh.ts';
import { machineMs } from './one-clock.ts';

export type WatchedProviderCalls = {
  serve(options: { url: string; file: string; slots: number; contextTokens: number }): Promise<Serving>;
  /** Resolves when a slot is taken. */
  whenTaken(): Promise<void>;
  /** Resolves when no slot is taken, with the time at which the last one got free. */
  whenFree(): Promise<number>;
};

let taken = 0;
let freeMs = machineMs();
const waiting: (() => void)[] = [];

answerCalls<WatchedProviderCalls>({
  async serve({ url, ...options }) {
    const engine = watched(await loadLlamaEngine(options));
    const mesh = joinFromNode(url, 'native');
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
  async whenTaken() {
    while (taken === 0) await change();
  },
  async whenFree() {
    while (taken > 0) await change();
    return freeMs;
  },
});

/** The engine's own answer ends when it can begin another one; the provider's slot is free in the same moment. */
function watched(engine: Engine): Engine {
  return {
    model: engine.model,
    async *generate(request, signal) {
      count(+1);
      try {
        yield* engine.generate(request, signal);
      } finally {
        freeMs = machineMs();
        count(-1);
      }
    },
    onLost: (listener) => engine.onLost(listener),
    close: () => engine.close(),
  };
}

function count(by: 1 | -1): void {
  taken += by;
  for (const resume of waiting.splice(0)) resume();
}

function change(): Promise<void> {
  return new Promise((resolve) => waiting.push(resolve));
}
