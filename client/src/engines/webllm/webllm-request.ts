/**
 * What the port asks of an answer, in WebLLM's words. An answer that another engine began is asked for as a raw completion:
 * the prompt written out, and the beginning behind it. One thing that WebLLM can do is left out: its probabilities are
 * those after temperature, grammar and penalties, at temperature 0 thus all or nothing.
 */
import { type GenerationRequest, MeshError } from '@tabmesh/shared';
import { endedByUser, inTurns } from '@tabmesh/shared/arranged-turns';
import { withoutLikelyControl } from '@tabmesh/shared/control-texts';
import { grammarOfSchema } from '@tabmesh/shared/json-grammar';
import type { ConversationMessage } from './mlc-conversation.ts';
import type { MlcPrompts } from './mlc-prompts.ts';
import { toWebllmSchema } from './webllm-schema.ts';

interface WebllmSampling {
  max_tokens: number;
  temperature: number;
  top_p: number;
  seed?: number;
  logit_bias?: Record<string, number>;
  presence_penalty?: number;
  frequency_penalty?: number;
  repetition_penalty?: number;
  stream: true;
  stream_options: { include_usage: true };
}

export interface WebllmChat extends WebllmSampling {
  messages: ConversationMessage[];
  /** Where it is false, WebLLM writes an empty thought at the beginning of the answer. */
  extra_body?: { enable_thinking: boolean };
  /** A JSON schema as text. */
  response_format?: { type: 'json_object'; schema: string };
}

export interface WebllmCompletion extends WebllmSampling {
  prompt: string;
}

export type WebllmRequest = WebllmChat | WebllmCompletion;

/** @throws MeshError `invalid_request` */
export function toWebllmChat(request: GenerationRequest): WebllmChat {
  const { thinking } = request;
  return {
    messages: messagesOf(request),
    ...(thinking === undefined ? {} : { extra_body: { enable_thinking: thinking } }),
    ...samplingOf(request),
    ...formatOf(request),
  };
}

/**
 * @param text - the beginning of the answer
 * @throws MeshError `invalid_request`, `unsupported`
 */
export function toWebllmCompletion(request: GenerationRequest, text: string, prompts?: MlcPrompts): WebllmCompletion {
  const { presencePenalty = 0, frequencyPenalty = 0, temperature, responseFormat } = request;
  // WebLLM counts what it drew itself. At temperature 0 the rest would be another one, above it hardly anyone could tell.
  const forgets = temperature === 0 && (presencePenalty !== 0 || frequencyPenalty !== 0);
  // A raw completion knows no grammar.
  if (prompts === undefined || responseFormat !== undefined || forgets) throw MeshError.unsupportedFeature('continue');
  return { prompt: prompts.write(messagesOf(request)) + text, ...samplingOf(request) };
}

/** Results of tools need the calls that they answer, which the port does not carry: they are given as the user's. */
function messagesOf({ messages }: GenerationRequest): ConversationMessage[] {
  // WebLLM takes a system message only as the first, and only a user's as the last.
  const isTaken = messages.at(-1)?.role === 'user' && !messages.slice(1).some(({ role }) => role === 'system');
  const taken = isTaken ? messages : endedByUser(inTurns(messages));
  return taken.map(({ role, content }) => ({
    role: role === 'tool' ? 'user' : role,
    // WebLLM's tokenizer makes control tokens of them wherever they stand.
    content: withoutLikelyControl(content),
  }));
}

function samplingOf(request: GenerationRequest): WebllmSampling {
  const { maxTokens, temperature, topP, seed, logitBias = {}, presencePenalty, frequencyPenalty } = request;
  return {
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    ...(seed === undefined ? {} : { seed }),
    // None at all would be a list of length 0 for the GPU, which it does not take.
    ...(Object.keys(logitBias).length === 0 ? {} : { logit_bias: logitBias }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    // Some models' own is another one, and would forget what the engine before had drawn.
    ...(temperature === 0 ? { repetition_penalty: 1 } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function formatOf({ responseFormat }: GenerationRequest): Pick<WebllmChat, 'response_format'> {
  if (responseFormat === undefined) return {};
  const schema = responseFormat.type === 'json_object' ? { type: 'object' } : responseFormat.schema;
  // WebLLM passes over keywords that it does not know, and aborts at types: what other engines refuse, it never sees.
  grammarOfSchema(schema);
  return { response_format: { type: 'json_object', schema: JSON.stringify(toWebllmSchema(schema)) } };
}
