/**
 * What the port asks of an answer, in llama.cpp's words. Penalties are not asked for: llama.cpp counts the prompt's tokens
 * too, and among them the one that ends an answer.
 */
import { type GenerationRequest, MeshError, opensThought } from '@tabmesh/shared';
import type { ChatTemplate } from '@tabmesh/shared/chat-template';
import type { ControlTexts } from '@tabmesh/shared/control-texts';
import { anyObjectGrammar, grammarOfSchema } from '@tabmesh/shared/json-grammar';
import type { TokenFloor } from '@tabmesh/shared/token-floor';
import type { ChatCompletionMessage, ChatCompletionParams } from '@wllama/wllama/esm/index.js';

export interface WllamaVocabulary {
  /** Ids of tokens are below it. */
  readonly size: number;
  /** It puts a space in front of a text that has none, as Llama 2's does. */
  readonly addsSpace: boolean;
  readonly floor: TokenFloor;
  /** llama.cpp makes control tokens of them wherever they stand. */
  readonly control: ControlTexts;
}

/** @throws MeshError `invalid_request`, `unsupported` */
export function samplingOf(request: GenerationRequest, vocabulary: WllamaVocabulary) {
  const { maxTokens, temperature, topP, seed } = request;
  const repeatable = temperature === 0 || seed !== undefined;
  return {
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    // llama.cpp's own defaults, named so that a tab and a native peer draw from the same distribution.
    top_k: 40,
    min_p: 0.05,
    ...(seed === undefined ? {} : { seed }),
    ...biasOf(request, vocabulary),
    // With none llama.cpp tells not even the drawn one's probability.
    ...(request.topLogprobs === undefined ? {} : { n_probs: Math.max(1, request.topLogprobs) }),
    ...grammarOf(request, vocabulary),
    // A reused prefix was computed in batches of another shape, and its rounding changes a greedy answer now and then
    // (17 of 164 second and third turns on mesh-tiny). So only answers that need not repeat themselves reuse one.
    cache_prompt: !repeatable,
    timings_per_token: true,
    stream_options: { include_usage: true },
  };
}

/**
 * Whether llama.cpp may throw in the middle of the answer, which ends all other answers too: its JSON can't hold a part of a
 * character, be it a candidate whose probability is told or a token that a bias forces.
 */
export function mayThrow({ topLogprobs, logitBias = {} }: GenerationRequest): boolean {
  return topLogprobs !== undefined || Object.values(logitBias).some((bias) => bias > 0);
}

export function messagesOf({ messages }: GenerationRequest, { control }: WllamaVocabulary): ChatCompletionMessage[] {
  return messages.map(({ role, content }) => toWllamaMessage(role, wellFormed(control.plain(content))));
}

export interface WrittenPrompt {
  /** With the beginning of the answer. */
  readonly text: string;
  readonly opensThought: boolean;
}

/** @throws MeshError `invalid_request` when the template refuses the messages. */
export function promptOf(
  { messages, continues, thinking, responseFormat }: GenerationRequest,
  template: ChatTemplate,
  { control }: WllamaVocabulary,
): WrittenPrompt {
  const plain = messages.map((message) => ({ ...message, content: control.plain(message.content) }));
  const prompt = template(plain, responseFormat === undefined ? thinking : 'never');
  const text = wellFormed(prompt + control.plain(continues?.text ?? ''));
  return { text, opensThought: opensThought(prompt) };
}

/** llama.cpp refuses half a surrogate pair with an exception that takes other answers along. */
export function wellFormed(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

function biasOf(
  { logitBias = {} }: GenerationRequest,
  { size }: WllamaVocabulary,
): Pick<ChatCompletionParams, 'logit_bias'> {
  const unknown = Object.keys(logitBias).find((id) => Number(id) >= size);
  if (unknown !== undefined) {
    throw new MeshError(
      'invalid_request',
      `'logit_bias' names token ${unknown}, but the ids of this model end at ${size - 1}. Leave it out.`,
      { details: { param: 'logit_bias' } },
    );
  }
  if (Object.keys(logitBias).length === 0) return {};
  // By wllama's types it would have to be a list at the same time.
  return { logit_bias: logitBias as NonNullable<ChatCompletionParams['logit_bias']> };
}

/** Any text: a bias then forces whole characters, nearly always. */
const CHARACTERS = String.raw`root ::= [\x01-\uD7FF\uE000-\U0010FFFF]*`;

/** Fields of llama.cpp's server; the last two are not in wllama's types. */
interface Constraint {
  readonly grammar?: string;
  readonly grammar_type?: 'tool_calls';
  readonly generation_prompt?: string;
}

function grammarOf(
  { responseFormat, logitBias = {}, continues }: GenerationRequest,
  { addsSpace, size }: WllamaVocabulary,
): Constraint {
  if (responseFormat === undefined) return Object.keys(logitBias).length === 0 ? {} : { grammar: CHARACTERS };
  const grammar =
    responseFormat.type === 'json_object' ? anyObjectGrammar() : grammarOfSchema(responseFormat.schema, size);
  if (continues === undefined) return { grammar };
  // llama.cpp leads the grammar past the beginning token by token. It skips a first token that begins with a space which
  // the text has not, and ends for good at one that would end the answer; what such tokens look like, it tells nobody.
  if (addsSpace || MAYBE_SPECIAL.test(continues.text)) throw MeshError.unsupportedFeature('continue');
  // Only a grammar that claims to be of a tool call is led past a beginning.
  return { grammar, grammar_type: 'tool_calls', generation_prompt: wellFormed(continues.text) };
}

const MAYBE_SPECIAL = /<[^<>\s]+>|\[[A-Z_]+\]|\[\|/;

function toWllamaMessage(role: GenerationRequest['messages'][number]['role'], content: string): ChatCompletionMessage {
  return role === 'tool' ? { role, content, tool_call_id: '' } : { role, content };
}
