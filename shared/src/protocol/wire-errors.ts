/**
 * The codes by which peers tell each other why a job was not answered: few, so that every version knows them all. What
 * else goes wrong inside a peer is its own affair and crosses as `engine_failed`; a code that this version doesn't know
 * reads as that too.
 */
import { z } from 'zod/mini';
import { MESH_ERROR_CODES, type MeshErrorCode } from '../errors.ts';
import { MAX_NAME_CHARS } from '../limits.ts';

export const WIRE_ERROR_CODES = [
  'peer_busy',
  'peer_draining',
  'no_peer_with_model',
  'context_length_exceeded',
  'invalid_request',
  'unsupported',
  'payload_too_large',
  'out_of_memory',
  'cancelled',
  'engine_failed',
] as const satisfies readonly MeshErrorCode[];

export type WireErrorCode = (typeof WIRE_ERROR_CODES)[number];

/** As what this end tells each of its own codes, and reads those that the first version sent as they were. */
export const WIRE_CODE_OF: Readonly<Record<MeshErrorCode, WireErrorCode>> = {
  peer_busy: 'peer_busy',
  peer_draining: 'peer_draining',
  no_peer_with_model: 'no_peer_with_model',
  context_length_exceeded: 'context_length_exceeded',
  invalid_request: 'invalid_request',
  unsupported: 'unsupported',
  payload_too_large: 'payload_too_large',
  out_of_memory: 'out_of_memory',
  cancelled: 'cancelled',
  engine_failed: 'engine_failed',
  model_not_found: 'no_peer_with_model',
  mesh_busy: 'peer_busy',
  unauthorized: 'engine_failed',
  upstream_failed: 'engine_failed',
  peer_lost: 'engine_failed',
  connection_failed: 'engine_failed',
  protocol_violation: 'engine_failed',
  signature_invalid: 'engine_failed',
  model_invalid: 'engine_failed',
  download_failed: 'engine_failed',
  checksum_mismatch: 'engine_failed',
  port_in_use: 'engine_failed',
  home_not_writable: 'engine_failed',
  closed: 'engine_failed',
};

/** Any code that a peer may send, as one that this version has an answer to. */
export const WireError = z.pipe(
  z.string().check(z.minLength(1), z.maxLength(MAX_NAME_CHARS)),
  z.transform((said): WireErrorCode => {
    const known = MESH_ERROR_CODES.find((code) => code === said);
    return known === undefined ? 'engine_failed' : WIRE_CODE_OF[known];
  }),
);
