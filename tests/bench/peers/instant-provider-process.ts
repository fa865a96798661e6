/** A native peer in a process of its own that serves the instant engine. */
import { answerCalls } from '../run/answer-calls.ts';
import type { Serving } from './bench-mesh.ts';
import { createInstantEngine } from './instant-engine.ts';
import { joinFromNode } from './node-mesh.ts';

export type InstantProviderCalls = {
  serve(options: { url: string; slots: number }): Serving;
};

answerCalls<InstantProviderCalls>({
  serve({ url, slots }) {
    const engine = createInstantEngine(slots);
    const mesh = joinFromNode(url, 'native');
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
});
