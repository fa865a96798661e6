/** Several answers to one request: where the peers have no room for all at once, the rest come as room comes. */
import { type Clock, MeshError } from '@tabmesh/shared';

/** Asks for one of them, again and again while its siblings take the room. */
export type AskBesideSiblings = <Answer>(ask: () => Promise<Answer>) => Promise<Answer>;

const SHORTEST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;
/** An answer that takes longer keeps the rest from ever being a reply. */
const PATIENCE_MS = 120_000;

/** When none of them finds room, the first refusal is theirs all: then it is not they who fill the mesh. */
export function siblings(
  count: number,
  clock: Clock,
  signal: AbortSignal,
  patienceMs = PATIENCE_MS,
): AskBesideSiblings {
  const endMs = clock.monotonicMs() + patienceMs;
  let refused = 0;
  return async (ask) => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!MeshError.is(error, 'mesh_busy')) throw error;
        refused += 1;
        const waitMs = Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, Number(error.details.retryAfterMs ?? 0)));
        if (refused >= count || clock.monotonicMs() + waitMs > endMs) throw error;
        await pause(waitMs, clock, signal);
        refused -= 1;
      }
    }
  };
}

function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      cancel();
      reject(MeshError.cancelled());
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
}
