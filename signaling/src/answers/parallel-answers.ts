/** Several answers to one request: where the peers have no room for all at once, the rest come as room comes. */
import { type Clock, MeshError, pause } from '@tabmesh/shared';
import { MAX_ROOM_WAIT_MS, MIN_ROOM_WAIT_MS, ROOM_PATIENCE_MS } from '../limits/limits.ts';
import type { OpenedAnswer } from './opened-answer.ts';

/** Asks for one of them, again and again while the others take the room. */
export type AskAsRoomComes = <Answer>(ask: () => Promise<Answer>) => Promise<Answer>;

/** When none of them finds room, the first refusal ends them all: then it is not they who fill the mesh. */
export function parallelAnswers(
  count: number,
  clock: Clock,
  signal: AbortSignal,
  patienceMs = ROOM_PATIENCE_MS,
): AskAsRoomComes {
  const endAtMs = clock.monotonicMs() + patienceMs;
  let refused = 0;
  return async (ask) => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!MeshError.is(error, 'mesh_busy')) throw error;
        refused += 1;
        const waitMs = Math.min(MAX_ROOM_WAIT_MS, Math.max(MIN_ROOM_WAIT_MS, Number(error.details.retryAfterMs ?? 0)));
        if (refused >= count || clock.monotonicMs() + waitMs > endAtMs) throw error;
        await pause(clock, waitMs, signal);
        if (signal.aborted) throw MeshError.cancelled();
        refused -= 1;
      }
    }
  };
}

/** All of them, or the error of the first that failed; the others are then cancelled. */
export async function openAll(
  openings: readonly [Promise<OpenedAnswer>, ...Promise<OpenedAnswer>[]],
  abort: AbortController,
) {
  const [first, ...others] = openings;
  try {
    const [opened, ...rest] = await Promise.all([first, ...others]);
    return [opened, ...rest] as const;
  } catch (error) {
    abort.abort();
    for (const opening of await Promise.allSettled(openings)) {
      if (opening.status === 'fulfilled') await leave(opening.value);
    }
    throw error;
  }
}

/** A cancelled answer notices when it is read. */
async function leave({ events }: OpenedAnswer): Promise<void> {
  for await (const _event of events) return;
}
