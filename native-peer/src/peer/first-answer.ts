/** Whether chat works, by chatting: the only proof that every part is in place. */
import { type Mesh, MeshError, type ModelId, pause, systemClock } from '@tabmesh/shared';
import { FIRST_ANSWER_RETRY_MS } from '../limits.ts';
import { waitFor } from './online.ts';

/**
 * Resolves once a peer of the mesh has answered one token with `model`.
 * @throws MeshError `cancelled`, or the first error that trying again can't heal
 */
export async function firstAnswer(mesh: Mesh, model: ModelId, signal: AbortSignal): Promise<void> {
  for (;;) {
    await waitFor(mesh, signal, () => mesh.models().some(({ id }) => id === model));
    try {
      const messages = [{ role: 'user', content: 'Hello' }] as const;
      for await (const _ of mesh.complete({ model, messages, maxTokens: 1, temperature: 0 }, signal));
      return;
    } catch (error) {
      if (!MeshError.is(error) || !error.retryable) throw error;
    }
    await pause(systemClock, FIRST_ANSWER_RETRY_MS, signal);
  }
}
