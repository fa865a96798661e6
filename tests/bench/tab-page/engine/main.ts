/// <reference types="vite/client" />
/** A member of a mesh in a tab, which may lend an engine; the benchmark calls it through `window.member`. */
import { createSimplePeerTransport, type Engine } from '@tabmesh/shared';
import { loadWllamaEngine } from '../../../../client/src/engines/wllama/wllama-engine.ts';
import { joinMesh, type Serving, whenLinked } from '../../peers/bench-mesh.ts';
import { type AnswerTimes, timeEngine, timeMesh, type Workload } from '../../peers/timed-answers.ts';

export interface MemberPage {
  lend(slots: number): Promise<Serving>;
  /** The engine that this tab lends, called here. */
  direct(workload: Workload): Promise<AnswerTimes>;
  whenLinked(serving: Serving): Promise<void>;
  throughMesh(serving: Serving, workload: Workload): Promise<AnswerTimes>;
}

const { signal } = new AbortController();
const mesh = joinMesh(location.origin, 'tab', createSimplePeerTransport());
let engine: Engine | undefined;

window.member = {
  async lend(slots) {
    const source = { kind: 'gguf-url', id: 'mesh-tiny', url: `${location.origin}/models/mesh-tiny.gguf` } as const;
    engine = await loadWllamaEngine(source, { slots, threads: 1, onProgress() {}, signal });
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
  direct(workload) {
    if (engine === undefined) throw new Error('Nothing is lent yet.');
    return timeEngine(engine, workload);
  },
  whenLinked: (serving) => whenLinked(mesh, serving, signal),
  throughMesh: (serving, workload) => timeMesh(mesh, serving.model, workload, signal),
};

declare global {
  interface Window {
    member: MemberPage;
  }
}
