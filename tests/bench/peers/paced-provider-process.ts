/** A native peer whose scripted engine gives one token in `tokenIntervalMs`: slow enough to be killed in mid-answer. */
import { systemClock } from '@tabmesh/shared';
import { createScriptedEngine } from '@tabmesh/shared/testing';
import { answerCalls } from '../run/answer-calls.ts';
import type { Serving } from './bench-mesh.ts';
import { joinFromNode } from './node-mesh.ts';

export interface PacedOptions {
  readonly url: string;
  readonly tokens: number;
  readonly ttftMs: number;
  readonly tokenIntervalMs: number;
}

export type PacedProviderCalls = {
  serve(options: PacedOptions): Serving;
};

answerCalls<PacedProviderCalls>({
  serve({ url, ...pace }) {
    const mesh = joinFromNode(url, 'native');
    const engine = createScriptedEngine({ clock: systemClock, scenario: 'steady', slots: 4, ...pace });
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
});
