/// <reference types="vite/client" />
/** A tab that lends mesh-tiny, and whose answers break where `window.lender` is told to. */
import { createSimplePeerTransport } from '@tabmesh/shared';
import { loadWllamaEngine } from '../../../../client/src/engines/wllama/wllama-engine.ts';
import { type Break, BreakableEngine } from '../../../setup/breakable-engine.ts';
import { joinMesh, type Serving } from '../../peers/bench-mesh.ts';

export interface LenderPage {
  lend(options: { slots: number; tokenIntervalMs: number }): Promise<Serving>;
  breakAnswers(breaks: Break | undefined): void;
  /** Takes no new answers; the running ones get so long to end. */
  drain(graceMs: number): Promise<void>;
}

const mesh = joinMesh(location.origin, 'tab', createSimplePeerTransport());
let engine: BreakableEngine | undefined;

function lent(): BreakableEngine {
  if (engine === undefined) throw new Error('Nothing is lent yet.');
  return engine;
}

window.lender = {
  async lend({ slots, tokenIntervalMs }) {
    const source = { kind: 'gguf-url', id: 'mesh-tiny', url: `${location.origin}/models/mesh-tiny.gguf` } as const;
    const { signal } = new AbortController();
    const wllama = await loadWllamaEngine(source, { slots, threads: 1, onProgress() {}, signal });
    engine = new BreakableEngine(wllama, tokenIntervalMs);
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
  breakAnswers(breaks) {
    lent().breaks = breaks;
  },
  drain: (graceMs) => mesh.removeEngine(lent(), graceMs),
};

declare global {
  interface Window {
    lender: LenderPage;
  }
}
