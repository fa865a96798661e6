/** Whether chat works, by chatting: the only proof that every part is in place. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Mesh, MeshError, type ModelId } from '@tabmesh/shared';
import { waitFor } from './online.ts';

/** What failed is a link that opens or a peer that starts: moments. */
const RETRY_MS = 250;

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
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}
