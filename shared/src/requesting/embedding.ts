/** The embeddings of a list of texts: one job after the other, each at whichever peer can take it. */
import { MeshError } from '../errors.ts';
import { MAX_EMBED_INPUTS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Embeddings } from '../ports/engine.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { PeerMessageOf } from '../protocol/messages.ts';
import { isBroken } from './broken-peer.ts';
import type { JobLine } from './incoming-answer.ts';
import type { Requester } from './requester.ts';

export interface EmbeddingOptions {
  readonly clock: Clock;
  readonly requester: Requester;
  newJob(): Omit<PeerMessageOf<'embed-start'>, 'type' | 'inputs'>;
  /** The next peer; undefined when there is none left. */
  assign(failed: ReadonlySet<PeerId>): PeerId | undefined;
  lineTo(peerId: PeerId, signal: AbortSignal): Promise<JobLine>;
  onFailed(peerId: PeerId): void;
  /** The asker has left while the peer kept it waiting. */
  onLeftWaiting(peerId: PeerId): void;
  failure(lastError: MeshError | undefined): MeshError;
}

/** So many texts take a fraction of it on any hardware; the line may have been long. */
const LATE_MS = 10_000;

/** @throws MeshError what `options.failure` makes of the last refusal, or `cancelled` */
export async function embed(
  options: EmbeddingOptions,
  inputs: readonly string[],
  signal: AbortSignal,
): Promise<Embeddings & { readonly peerId: PeerId }> {
  const vectors: Float32Array[] = [];
  let promptTokens = 0;
  let peerId: PeerId | undefined;
  for (let start = 0; start < inputs.length; start += MAX_EMBED_INPUTS) {
    const part = await embedPart(options, inputs.slice(start, start + MAX_EMBED_INPUTS), signal);
    // Vectors of different models could not be compared with each other.
    if (vectors[0] !== undefined && part.vectors[0]?.length !== vectors[0].length) {
      throw new MeshError('upstream_failed', 'Two peers gave embeddings of different lengths. Send the request again.');
    }
    vectors.push(...part.vectors);
    promptTokens += part.promptTokens;
    peerId = part.peerId;
  }
  if (peerId === undefined) throw new MeshError('invalid_request', 'There is no text to embed. Send at least one.');
  return { vectors, promptTokens, peerId };
}

async function embedPart(options: EmbeddingOptions, inputs: string[], signal: AbortSignal) {
  const failed = new Set<PeerId>();
  let lastError: MeshError | undefined;
  for (;;) {
    const peerId = options.assign(failed);
    if (peerId === undefined) throw options.failure(lastError);
    const askedMs = options.clock.monotonicMs();
    try {
      const line = await options.lineTo(peerId, signal);
      return { ...(await options.requester.embed(line, { ...options.newJob(), inputs }, signal)), peerId };
    } catch (error) {
      if (signal.aborted) {
        if (options.clock.monotonicMs() - askedMs > LATE_MS) options.onLeftWaiting(peerId);
        throw MeshError.cancelled();
      }
      if (!MeshError.is(error)) throw error;
      if (isBroken(error)) options.onFailed(peerId);
      failed.add(peerId);
      lastError = error;
      // The text is at fault, not the peer.
      if (error.code === 'context_length_exceeded' || error.code === 'invalid_request') throw error;
    }
  }
}
