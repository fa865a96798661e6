/** A native peer in a process of its own, which can also be asked to run its engine directly, without the mesh. */
import type { Engine, Mesh, ModelId, PeerId } from '@tabmesh/shared';
import { loadLlamaEngine } from '../../../native-peer/src/load-llama-engine.ts';
import { answerCalls } from '../run/answer-calls.ts';
import { joinMesh } from './member.ts';
import { type AnswerTimes, timeAnswers, type Workload } from './timed-answers.ts';

export type ProviderCalls = {
  serve(options: { url: string; file: string; slots: number }): Promise<Serving>;
  /** The same engine that serves the mesh, called here. */
  direct(workload: Workload): Promise<AnswerTimes>;
};

export interface Serving {
  readonly peerId: PeerId;
  readonly model: ModelId;
  readonly backend: string;
}

let serving: { readonly engine: Engine; readonly mesh: Mesh } | undefined;

answerCalls<ProviderCalls>({
  async serve({ url, file, slots }) {
    const engine = await loadLlamaEngine({ file, slots, contextTokens: CONTEXT_TOKENS });
    const mesh = joinMesh(url, 'native');
    mesh.addEngine(engine);
    serving = { engine, mesh };
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
  direct(workload) {
    const engine = serving?.engine;
    if (engine === undefined) throw new Error('Nothing is served yet.');
    const { signal } = new AbortController();
    return timeAnswers(workload, (content, maxTokens) =>
      engine.generate({ messages: [{ role: 'user', content }], maxTokens, temperature: 0, topP: 1, stop: [] }, signal),
    );
  },
});

const CONTEXT_TOKENS = 1024;
