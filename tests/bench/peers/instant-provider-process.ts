/** A native peer in a process of its own that serves the instant engine. */
import { createNodeTransport } from '@tabmesh/shared/node';
import { answerCalls } from '../run/answer-calls.ts';
import { joinMesh, type Serving } from './bench-mesh.ts';
import { createInstantEngine } from './instant-engine.ts';

export type InstantProviderCalls = {
  serve(options: { url: string; slots: number }): Serving;
};

answerCalls<InstantProviderCalls>({
  serve({ url, slots }) {
    const engine = createInstantEngine(slots);
    const mesh = joinMesh(url, 'native', createNodeTransport());
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
});
