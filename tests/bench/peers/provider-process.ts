/** A native peer in a process of its own, which can also be asked to run its engine directly, without the mesh. */
import type { Engine } from '@tabmesh/shared';
import { loadLlamaEngine } from '../../../native-peer/src/llama/load-llama-engine.ts';
import { answerCalls } from '../run/answer-calls.ts';
import type { Serving } from './bench-mesh.ts';
import { joinFromNode } from './node-mesh.ts';
import { type AnswerTimes, timeEngine, type Workload } from './timed-answers.ts';

export type ProviderCalls = {
  /** `contextTokens`: of each slot; absent: as many as a short answer needs. */
  serve(options: { url: string; file: string; slots: number; contextTokens?: number }): Promise<Serving>;
  /** The same engine that serves the mesh, called here. */
  direct(workload: Workload): Promise<AnswerTimes>;
};

const CONTEXT_TOKENS = 1024;
let engine: Engine | undefined;

answerCalls<ProviderCalls>({
  async serve({ url, file, slots, contextTokens = CONTEXT_TOKENS }) {
    engine = await loadLlamaEngine({ file, slots, contextTokens });
    const mesh = joinFromNode(url, 'native');
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
  direct(workload) {
    if (engine === undefined) throw new Error('Nothing is served yet.');
    return timeEngine(engine, workload);
  },
});
