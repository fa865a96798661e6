/**
 * OpenAI's chat completions and embeddings, as llama-server, vLLM, SGLang, LM Studio and others speak them. The first three
 * tell their own token counts with every chunk; of the others a chunk is taken for a token until the usage comes.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
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
export async function openAiProtocol(
  server: ModelServer,
  wanted: ModelAtServer,
  signal: AbortSignal,
): Promise<ServerProtocol> {
  const { data } = parsed(Models, await server.get('/v1/models', signal), 'its list of models');
  const names = data.map(({ id }) => id);
  const name = nameAtServer(names, wanted.name);
  const listed = data.find(({ id }) => id === name);
  if (listed === undefined) throw noSuchModel(wanted.name, names);
  const program = await programOf(server, listed, signal);
  const model = describe(listed, program, wanted);
  return {
    model,
    answer: (request, stop) => answer(server, listed.id, model, program, request, stop),
    embed: (inputs, stop) => embed(server, listed.id, inputs, stop),
    async check(stop) {
      await server.get('/v1/models', stop);
    },
  };
}

const positive = z.int().min(1).nullish().catch(undefined);

const Models = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      owned_by: z.string().nullish(),
      max_model_len: positive,
      meta: z
        .object({ n_ctx: positive, n_params: positive, size: positive, ftype: z.string().nullish() })
        .nullish()
        .catch(undefined),
    }),
  ),
});
type Listed = z.infer<typeof Models>['data'][number];

const Props = z.object({
  default_generation_settings: z.object({ n_ctx: positive }).nullish(),
  total_slots: positive,
  chat_template: z.string().nullish(),
  build_info: z.string().nullish(),
});
const Version = z.object({ version: z.string() });

/** What runs the model, as far as it says. */
interface Program {
  readonly label: string;
  /** Of the program, its template and this machine, where nothing else tells two models of one name apart. */
  readonly build: string;
  readonly contextTokens: number | undefined;
  readonly slots: number | undefined;
  /** Counts come with every chunk, so the server need not end an answer for us to know them. */
  readonly countsAlong: boolean;
  /** What it takes beside OpenAI's parameters. */
  readonly extras: { readonly stream_options?: object; readonly timings_per_token?: boolean };
}

async function programOf(server: ModelServer, listed: Listed, signal: AbortSignal): Promise<Program> {
  const plain = { contextTokens: listed.max_model_len ?? undefined, slots: undefined, countsAlong: false, extras: {} };
  if (listed.owned_by === 'llamacpp') {
    const props = Props.safeParse(await server.find('/props', signal)).data;
    const build = props?.build_info ?? '';
    return {
      label: `llama-server ${build}`.trim(),
      build: `${build} ${sha256(props?.chat_template ?? '')}`,
      contextTokens: listed.meta?.n_ctx ?? props?.default_generation_settings?.n_ctx ?? undefined,
      slots: props?.total_slots ?? undefined,
      countsAlong: true,
      extras: { timings_per_token: true },
    };
  }
  if (listed.owned_by === 'vllm' || listed.owned_by === 'sglang') {
    const label = listed.owned_by === 'vllm' ? 'vLLM' : 'SGLang';
    const version = Version.safeParse(await server.find('/version', signal)).data?.version ?? '';
    const extras = { stream_options: { include_usage: true, continuous_usage_stats: true } };
    return { ...plain, label: `${label} ${version}`.trim(), build: version, countsAlong: true, extras };
  }
  return { ...plain, label: 'OpenAI-compatible server', build: hostname() };
}

function describe(listed: Listed, program: Program, wanted: ModelAtServer): Omit<EngineModel, 'features'> {
  const { meta } = listed;
  const contextTokens = program.contextTokens ?? wanted.contextTokens ?? UNKNOWN_CONTEXT_TOKENS;
  return {
    id: servedName(listed.id),
    classId: classIdOf({
      // Of what is known instead of the weights: never the same as a class that was made from them.
      weightsSha256: sha256([listed.id, program.label, program.build, meta?.size, meta?.n_params].join('\n')),
      quantization: meta?.ftype ?? '',
      family: 'openai',
      templateSha256: '',
    }),
    family: 'openai',
    backend: program.label.slice(0, 120),
    contextTokens: Math.min(contextTokens, wanted.contextTokens ?? contextTokens),
    slots: Math.min(wanted.slots, program.slots ?? wanted.slots),
    sizeBytes: meta?.size ?? 0,
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** OpenAI's limit. */
const MOST_STOPS = 4;

function bodyOf(name: string, model: ServerProtocol['model'], program: Program, request: GenerationRequest): object {
  const { responseFormat, topLogprobs, stop } = request;
  return {
    model: name,
    messages: wireMessages(request.messages),
    stream: true,
    stream_options: { include_usage: true },
    // Without it the answer may fill the context; vLLM refuses what prompt and answer could not share.
    ...(request.maxTokens < model.contextTokens ? { max_tokens: request.maxTokens } : {}),
    temperature: request.temperature,
    top_p: request.topP,
    seed: seedOf(request),
    // An answer that the server ends itself brings its usage along. One that counts along ends here: llama-server loses
    // what it holds back for a stop string when an answer is cut by its length.
    ...(stop.length > 0 && !program.countsAlong ? { stop: stop.slice(0, MOST_STOPS) } : {}),
    // LM Studio knows schemas only.
    ...(responseFormat === undefined
      ? {}
      : {
          response_format: {
            type: 'json_schema',
            json_schema: {
              name: 'answer',
              schema: responseFormat.type === 'json_schema' ? responseFormat.schema : { type: 'object' },
            },
          },
        }),
    // llama-server takes 0 for none at all.
    ...(topLogprobs === undefined ? {} : { logprobs: true, top_logprobs: Math.max(1, topLogprobs) }),
    logit_bias: request.logitBias,
    // Taken by llama-server, vLLM and SGLang; others pass over it.
    ...(request.thinking === undefined ? {} : { chat_template_kwargs: { enable_thinking: request.thinking } }),
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    ...program.extras,
  };
}

const count = z.int().min(0).nullish().catch(undefined);

const Chunk = z.object({
  choices: z
    .array(
      z.object({
        delta: z
          .object({
            content: z.string().nullish(),
            reasoning_content: z.string().nullish(),
            reasoning: z.string().nullish(),
          })
          .nullish(),
        finish_reason: z.string().nullish(),
        logprobs: z
          .object({ content: z.array(Logprob).nullish() })
          .nullish()
          .catch(undefined),
      }),
    )
    .nullish(),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count }).nullish(),
    })
    .nullish(),
  timings: z.object({ cache_n: count, prompt_n: count, predicted_n: count }).nullish(),
  error: z.unknown().optional(),
});
type Chunk = z.infer<typeof Chunk>;

async function* answer(
  server: ModelServer,
  name: string,
  model: ServerProtocol['model'],
  program: Program,
  request: GenerationRequest,
  signal: AbortSignal,
): AsyncGenerator<AnswerPart> {
  for await (const data of server.events('/v1/chat/completions', bodyOf(name, model, program, request), signal)) {
    // Servers that never name a reason say at least that they are done.
    if (data === '[DONE]') {
      yield { text: '', thought: '', usage: {}, logprobs: [], reason: 'stop' };
      return;
    }
    const chunk = parsed(Chunk, json(data), 'a part of an answer');
    if (chunk.error !== undefined && chunk.error !== null) throw refusalOf(statusIn(chunk.error), data, null);
    yield partOf(chunk, request.topLogprobs ?? 0);
  }
}

function partOf(chunk: Chunk, topLogprobs: number): AnswerPart {
  const [choice] = chunk.choices ?? [];
  const reason = choice?.finish_reason;
  return {
    text: choice?.delta?.content ?? '',
    thought: choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? '',
    usage: usageOf(chunk),
    logprobs: (choice?.logprobs?.content ?? []).map((logprob) => tokenLogprob(logprob, topLogprobs)),
    reason: reason === null || reason === undefined ? undefined : reason === 'length' ? 'length' : 'stop',
  };
}

function usageOf({ usage, timings }: Chunk): AnswerPart['usage'] {
  const cached = timings?.cache_n ?? usage?.prompt_tokens_details?.cached_tokens;
  const prompt = usage?.prompt_tokens ?? (timings?.prompt_n == null ? null : timings.prompt_n + (timings.cache_n ?? 0));
  const completion = usage?.completion_tokens ?? timings?.predicted_n;
  return {
    ...(prompt == null ? {} : { promptTokens: prompt }),
    ...(completion == null ? {} : { completionTokens: completion }),
    ...(cached == null ? {} : { cachedTokens: cached }),
  };
}

function statusIn(error: unknown): number {
  const code = typeof error === 'object' && error !== null && 'code' in error ? Number(error.code) : Number.NaN;
  return code >= 400 && code < 600 ? code : 500;
}

const Embedded = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.array(z.number()) })),
  usage: z.object({ prompt_tokens: count }).nullish(),
});

async function embed(server: ModelServer, name: string, inputs: readonly string[], signal: AbortSignal) {
  const body = { model: name, input: inputs, encoding_format: 'float' };
  const answered = parsed(Embedded, await server.post('/v1/embeddings', body, signal), 'its embeddings');
  const vectors = answered.data.sort((a, b) => a.index - b.index).map(({ embedding }) => embedding);
  return { vectors, promptTokens: answered.usage?.prompt_tokens ?? 0 };
}
