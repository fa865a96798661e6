/**
 * The one error of the mesh. Code decides, text explains: the router and the HTTP surface look at `code` only, and only
 * code and message cross the wire.
 */

import { toldWaitMs } from './told-wait.ts';

export const MESH_ERROR_CODES = [
  'model_not_found',
  'context_length_exceeded',
  'invalid_request',
  'no_peer_with_model',
  'mesh_busy',
  'unauthorized',
  'payload_too_large',
  'upstream_failed',
  'cancelled',
  'peer_busy',
  'peer_lost',
  'peer_draining',
  'connection_failed',
  'protocol_violation',
  'signature_invalid',
  'engine_failed',
  'model_invalid',
  'out_of_memory',
  'unsupported',
  'download_failed',
  'checksum_mismatch',
  'port_in_use',
  'home_not_writable',
  'closed',
] as const;

export type MeshErrorCode = (typeof MESH_ERROR_CODES)[number];

const OF_THE_ASKER: ReadonlySet<MeshErrorCode> = new Set([
  'invalid_request',
  'model_not_found',
  'context_length_exceeded',
  'payload_too_large',
  'unauthorized',
  'unsupported',
  'cancelled',
]);

export type MeshErrorDetails = Readonly<Record<string, string | number | boolean>>;

export class MeshError extends Error {
  override readonly name = 'MeshError';
  readonly code: MeshErrorCode;
  /** Whether the same request may succeed at another peer or a little later. */
  readonly retryable: boolean;
  readonly details: MeshErrorDetails;

  constructor(
    code: MeshErrorCode,
    message: string,
    options: {
      retryable?: boolean;
      cause?: unknown;
      details?: MeshErrorDetails;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }

  static is(error: unknown, code?: MeshErrorCode): error is MeshError {
    return error instanceof MeshError && (code === undefined || error.code === code);
  }

  /** What the asker did wrong, or gave up: no peer and no entry failed. */
  static isOfTheAsker(error: unknown): boolean {
    return MeshError.is(error) && OF_THE_ASKER.has(error.code);
  }

  static unsupportedFeature(feature: string): MeshError {
    return new MeshError('unsupported', `This peer's engine can't do '${feature}'.`, { retryable: true });
  }

  static cancelled(): MeshError {
    return new MeshError('cancelled', 'The answer was stopped.');
  }

  static closed(what: string): MeshError {
    return new MeshError('closed', `The ${what} is closed.`);
  }

  static noPeerWithModel(model: string): MeshError {
    return new MeshError(
      'no_peer_with_model',
      `No peer serves '${model}' right now. Try again in a few seconds, choose another model, or lend one yourself.`,
      { retryable: true, details: { model } },
    );
  }

  static nothingServed(): MeshError {
    return new MeshError(
      'no_peer_with_model',
      'No peer serves a model right now. Try again in a few seconds, or lend one yourself.',
      { retryable: true },
    );
  }

  /** @param said the entry's own sentence, or what became of the way to it */
  static notInMesh(said: string, why: 'refused' | 'refused for now' | 'out of reach'): MeshError {
    const sentences = {
      refused: `Not in the mesh: ${said}`,
      'refused for now': `Not in the mesh yet: ${said} Joining is tried again by itself; then ask again.`,
      'out of reach': `Not in the mesh: ${said}. Joining is tried again by itself; then ask again.`,
    };
    return new MeshError('no_peer_with_model', sentences[why], { retryable: why !== 'refused' });
  }

  static modelNotFound(model: string): MeshError {
    return new MeshError(
      'model_not_found',
      `No peer has ever offered the model '${model}'. GET /v1/models lists the ones that can be used.`,
      { details: { model } },
    );
  }

  static peerBusy(waitMs: number): MeshError {
    return new MeshError('peer_busy', 'The peer has no free slot.', {
      retryable: true,
      details: { waitMs: toldWaitMs(waitMs) ?? 0 },
    });
  }

  static peerDraining(): MeshError {
    return new MeshError('peer_draining', 'The peer is leaving and takes no new answers.', { retryable: true });
  }

  static meshBusy(retryAfterMs: number): MeshError {
    return new MeshError('mesh_busy', 'Every peer that serves this model is busy. Try again in a moment.', {
      retryable: true,
      details: { retryAfterMs: toldWaitMs(retryAfterMs) ?? 0 },
    });
  }

  static deadlineMissed(limitMs: number): MeshError {
    return new MeshError(
      'mesh_busy',
      `No peer began to answer within ${limitMs} ms. Try again in a moment, or allow more time.`,
      { retryable: true, details: { retryAfterMs: 1_000 } },
    );
  }

  static peerLost(reason: string): MeshError {
    return new MeshError('peer_lost', `The peer that was answering is gone (${reason}). Try again.`, {
      retryable: true,
    });
  }

  static connectionFailed(reason: string, cause?: unknown): MeshError {
    return new MeshError('connection_failed', `The connection to the peer failed: ${reason}.`, {
      retryable: true,
      cause,
    });
  }

  static protocolViolation(reason: string): MeshError {
    return new MeshError('protocol_violation', `A message was refused: ${reason}.`);
  }

  /** `atLeast`: it was refused before its tokens were counted. */
  static contextLengthExceeded(
    promptTokens: number,
    contextTokens: number,
    { atLeast = false }: { readonly atLeast?: boolean } = {},
  ): MeshError {
    return new MeshError(
      'context_length_exceeded',
      `The prompt has ${atLeast ? 'at least ' : ''}${promptTokens} tokens, but the model's context holds ${contextTokens}. Shorten the conversation or start a new chat.`,
      { details: { promptTokens, contextTokens } },
    );
  }

  static engineFailed(reason: string, cause?: unknown): MeshError {
    return new MeshError('engine_failed', `The engine failed: ${reason}.`, {
      retryable: true,
      cause,
    });
  }

  static modelInvalid(reason: string, cause?: unknown): MeshError {
    return new MeshError('model_invalid', reason, { cause });
  }
}
