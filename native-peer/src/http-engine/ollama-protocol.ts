/**
 * Ollama's own API. It needs to be told what OpenAI's servers do by themselves: that a prompt must not be cut silently, and
 * how long the context is.
 */
import { classIdOf, type EngineModel, type GenerationRequest } from '@tabmesh/shared';
import { z } from 'zod';
import { UNKNOWN_CONTEXT_TOKENS } from '../limits.ts';
import { Logprob, tokenLogprob } from './logprobs.ts';
import type { ModelServer } from './model-server.ts';
import { nameAtServer, servedName } from './served-name.ts';
import { refusalOf } from './server-failure.ts';
import {
  type AnswerPart,
  json,
  type ModelAtServer,
  noSuchModel,
  parsed,
  type ServerProtocol,
  seedOf,
  wireMessages,
} from './server-protocol.ts';

/** @throws MeshError `model_not_found`, or why the server can't be asked */
export async function ollamaProtocol(
  server: ModelServer,
  wanted: ModelAtServer,
  signal: AbortSignal,
): Promise<ServerProtocol> {
  const { models } = parsed(Tags, await server.get('/api/tags', signal), 'its list of models');
  const names = models.map(({ name }) => name);
  const name = nameAtServer(names, wanted.name);
  const tag = models.find((listed) => listed.name === name);
  if (tag === undefined) throw noSuchModel(wanted.name, names);
  const shown = parsed(
    Shown,
    await server.post('/api/show', { model: tag.name }, signal),
    'what it shows of the model',
  );
  const { version } = parsed(Version, await server.get('/api/version', signal), 'its version');
  const model = describe(tag, shown, version, wanted);
  // One that can't is refused where it is told to.
  const thinks = shown.capabilities?.includes('thinking') ?? false;
  return {
    model,
    answer: (request, stop) => answer(server, bodyOf(tag.name, model, request, thinks), request, stop),
    embed: (inputs, stop) => embed(server, tag.name, model, inputs, stop),
    async check(stop) {
      await server.get('/api/version', stop);
    },
  };
}

const Tags = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      digest: z.string(),
      size: z.int().min(0).catch(0),
      details: z.object({ quantization_level: z.string().nullish() }).nullish(),
    }),
  ),
});
const Shown = z.object({
  /** `num_ctx 8192`, one line for each parameter of the Modelfile. */
  parameters: z.string().nullish(),
  /** `llama.context_length` and many others. */
  model_info: z.record(z.string(), z.unknown()).nullish(),
  capabilities: z.array(z.string()).nullish().catch(undefined),
});
const Version = z.object({ version: z.string() });

function describe(
  tag: z.infer<typeof Tags>['models'][number],
  { parameters, model_info }: z.infer<typeof Shown>,
  version: string,
  { slots, contextTokens }: ModelAtServer,
): Omit<EngineModel, 'features'> {
  const most = Object.entries(model_info ?? {}).find(([key]) => key.endsWith('.context_length'))?.[1];
  const ofModelfile = /^num_ctx\s+(\d+)/m.exec(parameters ?? '')?.[1];
  // Not the model's longest: Ollama takes memory for all of it.
  const chosen = contextTokens ?? (ofModelfile === undefined ? UNKNOWN_CONTEXT_TOKENS : Number(ofModelfile));
  return {
    id: servedName(tag.name),
    classId: classIdOf({
      // Of its manifest: weights and template alike. The version is what runs them.
      weightsSha256: tag.digest,
      quantization: `${tag.details?.quantization_level ?? ''} ${version}`,
      family: 'ollama',
      templateSha256: '',
    }),
    family: 'ollama',
    backend: `Ollama ${version}`.slice(0, 120),
    contextTokens: typeof most === 'number' && most >= 1 ? Math.min(chosen, most) : chosen,
    slots,
    sizeBytes: tag.size,
  };
}

function bodyOf(
  name: string,
  { contextTokens }: ServerProtocol['model'],
  request: GenerationRequest,
  thinks: boolean,
): object {
  const { responseFormat, topLogprobs, stop, maxTokens } = request;
  return {
    model: name,
    messages: wireMessages(request.messages),
    stream: true,
    // Else the beginning of a long conversation is dropped without a word, before the answer or in its midst.
    truncate: false,
    shift: false,
    ...(responseFormat === undefined
      ? {}
      : { format: responseFormat.type === 'json_schema' ? responseFormat.schema : 'json' }),
    ...(topLogprobs === undefined ? {} : { logprobs: true, top_logprobs: topLogprobs }),
    ...(thinks && request.thinking !== undefined ? { think: request.thinking } : {}),
    options: {
      num_ctx: contextTokens,
      ...(maxTokens < contextTokens ? { num_predict: maxTokens } : {}),
      temperature: request.temperature,
      top_p: request.topP,
      seed: seedOf(request),
      ...(stop.length > 0 ? { stop } : {}),
      presence_penalty: request.presencePenalty,
      frequency_penalty: request.frequencyPenalty,
    },
  };
}

const count = z.int().min(0).nullish().catch(undefined);

const Line = z.object({
  message: z.object({ content: z.string().nullish(), thinking: z.string().nullish() }).nullish(),
  done: z.boolean().nullish(),
  done_reason: z.string().nullish(),
  prompt_eval_count: count,
  eval_count: count,
  logprobs: z.array(Logprob).nullish().catch(undefined),
  error: z.unknown().optional(),
});

async function* answer(
  server: ModelServer,
  body: object,
  request: GenerationRequest,
  signal: AbortSignal,
): AsyncGenerator<AnswerPart> {
  for await (const text of server.lines('/api/chat', body, signal)) {
    const line = parsed(Line, json(text), 'a part of an answer');
    if (line.error !== undefined && line.error !== null) throw refusalOf(500, text, null);
    yield {
      text: line.message?.content ?? '',
      thought: line.message?.thinking ?? '',
      usage: {
        ...(line.prompt_eval_count == null ? {} : { promptTokens: line.prompt_eval_count }),
        ...(line.eval_count == null ? {} : { completionTokens: line.eval_count }),
      },
      logprobs: (line.logprobs ?? []).map((logprob) => tokenLogprob(logprob, request.topLogprobs ?? 0)),
      reason: line.done === true ? (line.done_reason === 'length' ? 'length' : 'stop') : undefined,
    };
  }
}

const Embedded = z.object({ embeddings: z.array(z.array(z.number())), prompt_eval_count: count });

async function embed(
  server: ModelServer,
  name: string,
  { contextTokens }: ServerProtocol['model'],
  inputs: readonly string[],
  signal: AbortSignal,
) {
  const body = { model: name, input: inputs, truncate: false, options: { num_ctx: contextTokens } };
  const { embeddings, prompt_eval_count } = parsed(
    Embedded,
    await server.post('/api/embed', body, signal),
    'its embeddings',
  );
  return { vectors: embeddings, promptTokens: prompt_eval_count ?? 0 };
}
