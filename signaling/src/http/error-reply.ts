/**
 * From any error to what an HTTP client sees: OpenAI's shape, a status, and `retry-after` where trying again helps. The
 * only place that knows which code has which status.
 */
import { MeshError, type MeshErrorCode, toldWaitMs } from '@tabmesh/shared';
import { HTTP_BODY_BYTES, RETRY_AFTER_S } from '../limits/limits.ts';

/** The codes that clients may rely on. What else goes wrong inside the mesh is told as one of these. */
export type ApiErrorCode =
  | 'model_not_found'
  | 'context_length_exceeded'
  | 'invalid_request'
  | 'no_peer_with_model'
  | 'mesh_busy'
  | 'invalid_api_key'
  | 'forbidden_host'
  | 'forbidden_origin'
  | 'request_timeout'
  | 'headers_too_large'
  | 'payload_too_large'
  | 'upstream_failed'
  | 'unknown_url'
  | 'response_not_found'
  | 'stream_not_found'
  | 'internal_error';

export interface ApiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: ApiErrorCode;
    readonly param: string | null;
  };
}

export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ApiErrorBody;
}

const STATUS: Record<ApiErrorCode, number> = {
  invalid_request: 400,
  context_length_exceeded: 400,
  invalid_api_key: 401,
  forbidden_host: 403,
  forbidden_origin: 403,
  model_not_found: 404,
  unknown_url: 404,
  response_not_found: 404,
  stream_not_found: 404,
  request_timeout: 408,
  payload_too_large: 413,
  headers_too_large: 431,
  mesh_busy: 429,
  internal_error: 500,
  upstream_failed: 502,
  no_peer_with_model: 503,
};

/** Thrown where a request is read, for what only this surface knows of: the mesh has no code for it. */
export class RequestRefusal extends Error {
  override readonly name = 'RequestRefusal';
  readonly code: ApiErrorCode;
  readonly param: string | null;

  /** @param message one sentence that names the next step */
  constructor(code: ApiErrorCode, message: string, param: string | null = null) {
    super(message);
    this.code = code;
    this.param = param;
  }
}

export function errorReply(error: unknown): ErrorReply {
  return replyOf(describeError(error));
}

/** For what is refused before the mesh is asked, by a code of HTTP's own. */
export function refusal(code: ApiErrorCode, message: string): ErrorReply {
  return replyOf({ code, message, param: null });
}

function replyOf({ code, message, param, retryAfterMs }: ErrorDescription): ErrorReply {
  const status = STATUS[code];
  const retryable = status === 429 || status === 503;
  const waitMs = toldWaitMs(retryAfterMs);
  const retryAfterS = waitMs === undefined ? RETRY_AFTER_S : Math.max(1, Math.ceil(waitMs / 1000));
  return {
    status,
    headers: retryable ? { 'retry-after': String(retryAfterS) } : {},
    body: { error: { message, type: typeOf(status), code, param } },
  };
}

interface ErrorDescription {
  readonly code: ApiErrorCode;
  readonly message: string;
  readonly param: string | null;
  readonly retryAfterMs?: number | undefined;
}

function describeError(error: unknown): ErrorDescription {
  if (error instanceof RequestRefusal) return { code: error.code, message: error.message, param: error.param };
  if (MeshError.is(error)) {
    const { param, retryAfterMs, waitMs } = error.details;
    const pauseMs = retryAfterMs ?? waitMs;
    return {
      code: apiCodeOf(error.code),
      message: error.message,
      param: typeof param === 'string' ? param : null,
      retryAfterMs: typeof pauseMs === 'number' ? pauseMs : undefined,
    };
  }
  return describeHttpError(error);
}

function apiCodeOf(code: MeshErrorCode): ApiErrorCode {
  switch (code) {
    case 'model_not_found':
    case 'context_length_exceeded':
    case 'invalid_request':
    case 'no_peer_with_model':
    case 'mesh_busy':
    case 'payload_too_large':
    case 'upstream_failed':
      return code;
    case 'unauthorized':
      return 'invalid_api_key';
    case 'unsupported':
      return 'invalid_request';
    case 'peer_busy':
      return 'mesh_busy';
    case 'peer_draining':
      return 'no_peer_with_model';
    case 'cancelled':
    case 'peer_lost':
    case 'connection_failed':
    case 'protocol_violation':
    case 'signature_invalid':
    case 'engine_failed':
    case 'model_invalid':
    case 'out_of_memory':
    case 'download_failed':
    case 'checksum_mismatch':
    case 'port_in_use':
    case 'home_not_writable':
    case 'closed':
      return 'upstream_failed';
    default:
      return code satisfies never;
  }
}

/** Fastify's own refusals carry a status and a code; anything without is a bug and tells a stranger nothing. */
function describeHttpError(error: unknown): ErrorDescription {
  const { statusCode, code } = error instanceof Error ? (error as Error & { statusCode?: number; code?: string }) : {};
  if (statusCode === 413) {
    return {
      code: 'payload_too_large',
      message: `The request is too large: at most ${HTTP_BODY_BYTES / 1024 ** 2} MiB. Shorten the conversation or start a new chat.`,
      param: null,
    };
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { code: 'invalid_request', message: sentenceFor(code), param: null };
  }
  return {
    code: 'internal_error',
    message: "The entry failed to handle the request. Try again; if it stays so, look at the entry's log.",
    param: null,
  };
}

function sentenceFor(fastifyCode: string | undefined): string {
  switch (fastifyCode) {
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return 'The request has no body. Send a JSON object.';
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return "The body is not marked as JSON. Send it with the header 'content-type: application/json'.";
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return 'The body is not valid JSON. Check it for missing quotes, brackets and commas.';
    default:
      return 'The request could not be read. Check its URL, headers and JSON body.';
  }
}

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
