/** Servers that speak OpenAI's protocol, each with the shapes, words and habits of one real program. */
import type { ChatMessage } from '@tabmesh/shared';
import { type ModelHttpServer, type Page, startModelServer } from './model-http-server.ts';
import { CONTEXT_TOKENS, type Finish, type Piece, promptTokens, ScriptedModel } from './scripted-model.ts';

/**
 * `lm-studio`: OpenAI's protocol and nothing beside it. `careless`: takes every parameter, heeds none of the extras and
 * counts no tokens.
 */
export type Program = 'llama-server' | 'vllm' | 'lm-studio' | 'careless';

export interface OpenAiServer extends ModelHttpServer {
  /** Answers that the server still computes. */
  running(): number;
}

export const MODEL_NAMES: Readonly<Record<Program, string>> = {
  'llama-server': '/models/mesh-tiny.gguf',
  vllm: 'Qwen/Qwen3-8B',
  'lm-studio': 'qwen3-4b-instruct',
  careless: 'some-model',
};

export async function startOpenAiServer(program: Program, port?: number): Promise<OpenAiServer> {
  const model = new ScriptedModel();
  const server = await startModelServer(
    {
      '/v1/models': (page) => page.json({ object: 'list', data: [LISTED[program]] }),
      ...(program === 'llama-server' ? { '/props': (page) => page.json(PROPS) } : {}),
      ...(program === 'vllm' ? { '/version': (page) => page.json({ version: '0.11.0' }) } : {}),
      '/v1/chat/completions': (page) => complete(program, model, page),
      ...(program === 'careless' ? {} : { '/v1/embeddings': embeddings }),
    },
    port,
  );
  return { ...server, running: () => model.running() };
}

const LISTED: Readonly<Record<Program, object>> = {
  'llama-server': {
    id: MODEL_NAMES['llama-server'],
    object: 'model',
    created: 1,
    owned_by: 'llamacpp',
    meta: { n_vocab: 1024, n_ctx: CONTEXT_TOKENS, n_params: 5_000_000, size: 5_600_000, ftype: 'Q8_0' },
  },
  vllm: { id: MODEL_NAMES.vllm, object: 'model', created: 1, owned_by: 'vllm', max_model_len: CONTEXT_TOKENS },
  'lm-studio': { id: MODEL_NAMES['lm-studio'], object: 'model', owned_by: 'organization_owner' },
  careless: { id: MODEL_NAMES.careless },
};

const PROPS = {
  default_generation_settings: { params: {}, n_ctx: CONTEXT_TOKENS },
  total_slots: 3,
  model_path: MODEL_NAMES['llama-server'],
  chat_template: '{{ messages }}',
  build_info: 'b7777-abcdef',
};

async function complete(program: Program, model: ScriptedModel, page: Page): Promise<void> {
  const { body } = page;
  const messages: ChatMessage[] = body.messages;
  const tokens = promptTokens(messages);
  const refusal = refusalOf(program, tokens, body.max_tokens);
  if (refusal !== undefined) return page.json(refusal, 400);
  const heeds = program !== 'careless';
  const answer = model.answer(
    {
      messages,
      maxTokens: body.max_tokens,
      temperature: body.temperature,
      seed: body.seed,
      stop: heeds ? body.stop : undefined,
      ...(heeds
        ? {
            schema: body.response_format?.json_schema.schema,
            biased: Object.keys(body.logit_bias ?? {}),
            frequencyPenalty: body.frequency_penalty,
          }
        : {}),
    },
    page.signal,
  );
  const write = page.stream('text/event-stream');
  const send = (chunk: object) =>
    write(`data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', ...chunk })}\n\n`);
  const shape = SHAPES[program];
  try {
    if (!(await send(shape.first(tokens)))) return page.end();
    let step = await answer.next();
    for (; step.done !== true; step = await answer.next()) {
      if (!(await send(shape.token(step.value, tokens, body)))) return page.end();
    }
    for (const chunk of shape.last(step.value, body)) if (!(await send(chunk))) return page.end();
    await write('data: [DONE]\n\n');
  } catch {
    // The reader left.
  }
  page.end();
}

/** In each program's own words. */
function refusalOf(program: Program, tokens: number, maxTokens: number | undefined): object | undefined {
  if (program === 'vllm' && tokens < CONTEXT_TOKENS && tokens + (maxTokens ?? 0) > CONTEXT_TOKENS) {
    const message =
      `'max_tokens' or 'max_completion_tokens' is too large: ${maxTokens}. This model's maximum context length is ` +
      `${CONTEXT_TOKENS} tokens and your request has ${tokens} input tokens (${maxTokens} > ${CONTEXT_TOKENS} - ${tokens}).`;
    return { error: { message, type: 'BadRequestError', param: 'max_tokens', code: 400 } };
  }
  if (tokens < CONTEXT_TOKENS) return undefined;
  if (program === 'llama-server') {
    const message = `request (${tokens} tokens) exceeds the available context size (${CONTEXT_TOKENS} tokens), try increasing it`;
    const error = { code: 400, message, type: 'exceed_context_size_error', n_prompt_tokens: tokens };
    return { error: { ...error, n_ctx: CONTEXT_TOKENS } };
  }
  const begin = `This model's maximum context length is ${CONTEXT_TOKENS} tokens. However, `;
  return program === 'vllm'
    ? { error: { message: `${begin}your request has ${tokens} input tokens.`, type: 'BadRequestError', code: 400 } }
    : { error: { message: `${begin}your messages resulted in ${tokens} tokens.`, code: 'context_length_exceeded' } };
}

interface Shape {
  first(promptTokens: number): object;
  token(piece: Piece, promptTokens: number, body: Page['body']): object;
  last(finish: Finish, body: Page['body']): object[];
}

const LLAMA_SERVER: Shape = {
  first: () => ({ choices: [{ finish_reason: null, index: 0, delta: { role: 'assistant', content: null } }] }),
  token: (piece, prompt, body) => ({
    choices: [{ finish_reason: null, index: 0, delta: { content: piece.text }, ...logprobsOf(piece, body) }],
    ...(body.timings_per_token === true
      ? { timings: { cache_n: 1, prompt_n: prompt - 1, predicted_n: piece.tokensSoFar, predicted_ms: 1.5 } }
      : {}),
  }),
  last: (finish) => [
    { choices: [{ finish_reason: finish.reason, index: 0, delta: {} }] },
    {
      choices: [],
      usage: usageOf(finish),
      timings: { cache_n: 1, prompt_n: finish.promptTokens - 1, predicted_n: finish.completionTokens },
    },
  ],
};

const VLLM: Shape = {
  first: (prompt) => ({
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
    usage: { prompt_tokens: prompt, total_tokens: prompt, completion_tokens: 0 },
  }),
  token: (piece, prompt, body) => ({
    choices: [{ index: 0, delta: { content: piece.text }, finish_reason: null, ...logprobsOf(piece, body) }],
    ...(body.stream_options.continuous_usage_stats === true
      ? { usage: { prompt_tokens: prompt, completion_tokens: piece.tokensSoFar } }
      : {}),
  }),
  last: (finish) => [
    { choices: [{ index: 0, delta: { content: '' }, finish_reason: finish.reason, stop_reason: null }] },
    { choices: [], usage: usageOf(finish) },
  ],
};

const PLAIN: Shape = {
  first: () => ({ choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] }),
  token: (piece, _prompt, body) => ({
    choices: [{ index: 0, delta: { content: piece.text }, finish_reason: null, ...logprobsOf(piece, body) }],
  }),
  last: (finish) => [
    { choices: [{ index: 0, delta: {}, finish_reason: finish.reason }] },
    { choices: [], usage: usageOf(finish) },
  ],
};

const CARELESS: Shape = {
  ...PLAIN,
  token: ({ text }) => ({ choices: [{ index: 0, delta: { content: text } }] }),
  last: ({ reason }) => [{ choices: [{ index: 0, delta: {}, finish_reason: reason }] }],
};

const SHAPES: Readonly<Record<Program, Shape>> = {
  'llama-server': LLAMA_SERVER,
  vllm: VLLM,
  'lm-studio': PLAIN,
  careless: CARELESS,
};

function usageOf({ promptTokens, completionTokens, cachedTokens }: Finish): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function logprobsOf({ text }: Piece, { logprobs, top_logprobs }: Page['body']): object {
  if (logprobs !== true) return {};
  const bytes = [...Buffer.from(text, 'utf8')];
  const likely = Array.from({ length: top_logprobs }, (_, rank) => ({
    token: rank === 0 ? text : `${rank}`,
    logprob: -rank - 0.5,
    ...(rank === 0 ? { bytes } : {}),
  }));
  return { logprobs: { content: [{ ...likely[0], top_logprobs: likely }] } };
}

/** In the wrong order, as servers that compute them in parallel may send them. */
function embeddings({ body, json }: Page): void {
  const inputs: string[] = body.input;
  const longest = Math.max(...inputs.map((text) => promptTokens([{ role: 'user', content: text }])));
  const refusal = refusalOf('llama-server', longest, undefined);
  if (refusal !== undefined) {
    json(refusal, 400);
    return;
  }
  const data = inputs.map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 0, 3] }));
  json({ object: 'list', data: data.reverse(), usage: { prompt_tokens: inputs.length * 2, total_tokens: 0 } });
}
