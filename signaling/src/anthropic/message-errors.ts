/** Errors in Anthropic's shape, made of the entry's own. */
import type { ApiErrorBody, ApiErrorCode } from '../http/error-reply.ts';

export interface MessageError {
  readonly type: 'error';
  readonly error: { readonly type: string; readonly message: string };
  readonly request_id: string;
}

const TYPES: Readonly<Record<ApiErrorCode, string>> = {
  invalid_request: 'invalid_request_error',
  context_length_exceeded: 'invalid_request_error',
  invalid_api_key: 'authentication_error',
  forbidden_host: 'permission_error',
  forbidden_origin: 'permission_error',
  model_not_found: 'not_found_error',
  unknown_url: 'not_found_error',
  response_not_found: 'not_found_error',
  stream_not_found: 'not_found_error',
  request_timeout: 'timeout_error',
  payload_too_large: 'request_too_large',
  headers_too_large: 'request_too_large',
  mesh_busy: 'rate_limit_error',
  no_peer_with_model: 'overloaded_error',
  upstream_failed: 'api_error',
  internal_error: 'api_error',
};

export function messageError({ error: { code, message } }: ApiErrorBody, requestId: string): MessageError {
  return { type: 'error', error: { type: TYPES[code], message }, request_id: requestId };
}

/** What a client of this address reads. */
export function inShapeOf({ url, id }: { readonly url: string; readonly id: string }, body: ApiErrorBody): object {
  return speaksMessages(url) ? messageError(body, id) : body;
}

export function speaksMessages(url: string): boolean {
  return /^\/v1\/messages(?![\w-])/.test(url);
}
