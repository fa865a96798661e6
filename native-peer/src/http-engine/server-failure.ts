/**
 * What a server's refusal means to the mesh. No text of a refused key is passed on: servers quote the key in it.
 */
import { MeshError } from '@tabmesh/shared';
import { MOST_QUOTED_CHARS } from '../limits.ts';

/**
 * `context_length_exceeded` carries in its details what the server tells: `promptTokens`.
 * `invalid_request` is the request's fault at every server, `peer_busy` and `engine_failed` are not.
 */
export function refusalOf(status: number, body: string, retryAfter: string | null): MeshError {
  if (status === 401 || status === 403) {
    return MeshError.engineFailed(
      `its server refuses the key (status ${status}); TABMESH_ENGINE_KEY is to hold the one that it wants`,
    );
  }
  if (status === 429) return MeshError.peerBusy(Math.max(0, Number(retryAfter ?? 0) || 0) * 1000);
  if (isOfTheContext(body)) {
    const promptTokens = promptTokensIn(body);
    return new MeshError('context_length_exceeded', "The prompt does not fit the model's context.", {
      details: promptTokens === undefined ? {} : { promptTokens },
    });
  }
  const said = sentenceOf(messageIn(body));
  if (OF_THE_ORDER.test(said)) {
    return new MeshError('invalid_request', `The model's chat template refuses these messages: ${said}.`, {
      details: { param: 'messages', ofTheOrder: true },
    });
  }
  if (status === 400 || status === 422) {
    return new MeshError(
      'invalid_request',
      `The model's server refuses the request: ${said}. Change it and try again.`,
    );
  }
  if (status === 413) return new MeshError('payload_too_large', "The request is too large for the model's server.");
  return MeshError.engineFailed(`its server answered with status ${status}: ${said}`);
}

/** Before the answer began: its messages in another order may be taken. */
export function isOfTheOrder(error: unknown): boolean {
  return MeshError.is(error, 'invalid_request') && error.details.ofTheOrder === true;
}

/** As chat templates say it, whose exceptions servers pass on with status 400 or 500. */
const OF_THE_ORDER =
  /roles? must alternate|system (role|message)s?\b[^.]*(support|must|first|beginning)|only [^.]*\broles?\b|no user query|last message|must (start|begin|end) with/i;

/**
 * The connection failed, before or within an answer. `details.unreachable` tells it from what a server says. Without the
 * address, which is nobody's business in the mesh.
 */
export function unreachable(error: unknown): MeshError {
  return new MeshError('engine_failed', `The engine failed: its server can't be reached (${causeOf(error)}).`, {
    retryable: true,
    cause: error,
    details: { unreachable: true },
  });
}

/** As llama-server and Ollama, OpenAI and vLLM, SGLang, and LM Studio say it, with status 400 or 500. */
const OF_THE_CONTEXT = [
  /exceed\w*[^"]{0,30}context/i,
  /maximum context length|context_length_exceeded/i,
  /(longer|greater) than [^"]{0,30}context length|context the overflows|too large to process/i,
];

function isOfTheContext(body: string): boolean {
  return OF_THE_CONTEXT.some((pattern) => pattern.test(body));
}

const PROMPT_TOKENS = [
  /n_prompt_tokens\\*"\s*:\s*(\d+)/,
  /(?:request|input) \((\d+) tokens\)/,
  /\((\d+) in the messages/,
  /has (\d+) input tokens/,
  /resulted in (\d+) tokens/,
  /(?:keep the first |n_keep: )(\d+)/,
];

function promptTokensIn(body: string): number | undefined {
  for (const pattern of PROMPT_TOKENS) {
    const count = pattern.exec(body)?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}

/** `{error: {message}}` of OpenAI, `{error}` of Ollama, `{message}` and `{detail}` of older vLLM, or plain text. */
function messageIn(body: string): string {
  try {
    const json: unknown = JSON.parse(body);
    return textIn(json) ?? body;
  } catch {
    return body;
  }
}

function textIn(json: unknown): string | undefined {
  if (typeof json === 'string') return json;
  if (typeof json !== 'object' || json === null) return undefined;
  for (const key of ['error', 'message', 'detail'] as const) {
    const found = key in json ? textIn((json as Record<string, unknown>)[key]) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function sentenceOf(text: string): string {
  const line = text
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MOST_QUOTED_CHARS)
    .replace(/[.!]+$/, '');
  return line === '' ? 'it gives no reason' : line;
}

/** What `fetch` wraps: `ECONNREFUSED` says more than `fetch failed`. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return error.message;
}
