/** 'Measure it yourself': one short, real answer from this tab, per model, and what it came to. */
import { MeshError, type ModelId, peerName } from '@tabmesh/shared';
import { SvelteMap } from 'svelte/reactivity';
import { MEASURED_ANSWER_TOKENS } from '../limits.ts';
import type { MeshState } from '../mesh/mesh-state.svelte.ts';
import { formatMs, formatRate } from '../ui/format.ts';

export type OwnMeasurement =
  | { readonly state: 'running' }
  | {
      readonly state: 'done';
      readonly peerName: string;
      readonly ttftMs: number;
      /** null: too few tokens came to tell. */
      readonly tokensPerSecond: number | null;
      readonly tokenCount: number;
    }
  | { readonly state: 'failed'; readonly message: string };

const QUESTION = 'Count from one to twenty in words.';

export class OwnMeasurements {
  /** What a screen reader is told: the last result. */
  announcement = $state.raw('');
  readonly #mesh: MeshState;
  readonly #results = new SvelteMap<ModelId, OwnMeasurement>();
  readonly #controller = new AbortController();

  constructor(mesh: MeshState) {
    this.#mesh = mesh;
  }

  of(model: ModelId): OwnMeasurement | undefined {
    return this.#results.get(model);
  }

  async measure(model: ModelId): Promise<void> {
    if (this.#results.get(model)?.state === 'running') return;
    this.#results.set(model, { state: 'running' });
    const result = await this.#ask(model).catch(
      (error: unknown): OwnMeasurement => ({
        state: 'failed',
        message: error instanceof Error ? error.message : String(error),
      }),
    );
    this.#results.set(model, result);
    this.announcement = spoken(model, result);
  }

  /** Ends what is running. */
  close(): void {
    this.#controller.abort(MeshError.cancelled());
  }

  async #ask(model: ModelId): Promise<OwnMeasurement> {
    const mesh = await this.#mesh.started();
    const request = {
      model,
      messages: [{ role: 'user' as const, content: QUESTION }],
      maxTokens: MEASURED_ANSWER_TOKENS,
    };
    let served = '';
    for await (const event of mesh.complete(request, this.#controller.signal)) {
      if (event.type === 'route') served = peerName(event.peerId);
      if (event.type === 'end') {
        const { ttftMs, tokensPerSecond, usage } = event;
        return { state: 'done', peerName: served, ttftMs, tokensPerSecond, tokenCount: usage.completionTokens };
      }
    }
    return { state: 'failed', message: 'The answer stopped without an end. Measure again.' };
  }
}

function spoken(model: ModelId, result: OwnMeasurement): string {
  if (result.state === 'running') return '';
  if (result.state === 'failed') return `${model} could not be measured: ${result.message}`;
  const rate = result.tokensPerSecond === null ? '' : `, ${formatRate(result.tokensPerSecond)}`;
  return `${model} on ${result.peerName}: first token after ${formatMs(result.ttftMs)}${rate}`;
}
