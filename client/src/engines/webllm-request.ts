/**
 * What the port asks of an answer, in WebLLM's words. Two things it can do are left out: its probabilities are those after
 * temperature, grammar and penalties, at temperature 0 thus all or nothing; and its completion of a raw prompt, which could
 * go on with an answer, knows no grammar and leaves out the tokens that some models' conversations begin with.
 */
import type { GenerationRequest } from '@tabmesh/shared';
import { grammarOfSchema } from '@tabmesh/shared/json-grammar';

export interface WebllmRequest {
  messages: { role: 'system' | 'user' | 'assistant'; content: string }[];
  max_tokens: number;
  temperature: number;
  top_p: number;
  seed?: number;
  /** A JSON schema as text. */
  response_format?: { type: 'json_object'; schema: string };
  logit_bias?: Record<string, number>;
  presence_penalty?: number;
  frequency_penalty?: number;
  stream: true;
  stream_options: { include_usage: true };
}

/** @throws MeshError `invalid_request` */
export function toWebllmRequest(request: GenerationRequest): WebllmRequest {
  const { messages, maxTokens, temperature, topP, seed, logitBias = {} } = request;
  const { presencePenalty, frequencyPenalty } = request;
  return {
    // Results of tools need the calls that they answer, which the port does not carry: they are given as the user's.
    messages: messages.map(({ role, content }) => ({ role: role === 'tool' ? 'user' : role, content })),
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    ...(seed === undefined ? {} : { seed }),
    ...formatOf(request),
    // None at all would be a list of length 0 for the GPU, which it does not take.
    ...(Object.keys(logitBias).length === 0 ? {} : { logit_bias: logitBias }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function formatOf({ responseFormat }: GenerationRequest): Pick<WebllmRequest, 'response_format'> {
  if (responseFormat === undefined) return {};
  const schema = responseFormat.type === 'json_object' ? { type: 'object' } : responseFormat.schema;
  // WebLLM passes over keywords that it does not know, and aborts at types: what other engines refuse, it never sees.
  grammarOfSchema(schema);
  return { response_format: { type: 'json_object', schema: JSON.stringify(schema) } };
}
