/**
 * Anthropic's body of `/v1/messages`, read into what the mesh is asked. What only describes, bills or speeds up an answer is
 * taken, as is what nobody knows; what would change it and is not here is refused by its name.
 */
import type { CompletionRequest, ResponseFormat } from '@tabmesh/shared';
import { z } from 'zod';
import { fieldError, type RefusedField, readBody } from '../http/request-body.ts';
import { MAX_STOP_CHARS, MAX_STOP_TEXTS, MAX_TOKENS } from '../limits/limits.ts';
import type { MeshQuestion } from '../openai/mesh-answers.ts';
import { toModelId } from '../openai/request-fields.ts';
import { enforcedSchema } from '../openai/tools/enforced-schema.ts';
import type { ToolCallReader } from '../openai/tools/tool-call-reader.ts';
import { planTools } from '../openai/tools/tool-plan.ts';
import { Messages, System, toTurns } from './message-content.ts';
import { readTools, ToolFields } from './message-tools.ts';

export interface MessageQuestion extends MeshQuestion {
  readonly requests: readonly [CompletionRequest];
  readonly stream: boolean;
  /** Takes the calls out of the answer; undefined when it is text only. */
  readonly toolReader: (() => ToolCallReader) | undefined;
  readonly stopSequences: readonly string[];
  /** The client wants to read the thoughts. */
  readonly tellsThoughts: boolean;
}

const Format = z.object({
  type: z.literal('json_schema', 'expected json_schema'),
  schema: z.record(z.string(), z.unknown()),
});

const Body = z.object({
  model: z.string().nullish(),
  system: System,
  messages: Messages,
  stop_sequences: z.array(z.string().min(1).max(MAX_STOP_CHARS)).max(MAX_STOP_TEXTS).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  thinking: z.object({ type: z.enum(['enabled', 'adaptive', 'disabled']), display: z.string().nullish() }).nullish(),
  output_config: z.object({ format: Format.nullish() }).nullish(),
  /** Its name while it was a beta. */
  output_format: Format.nullish(),
  metadata: z.object({ user_id: z.string().nullish() }).nullish(),
  ...ToolFields.shape,
});
type Body = z.infer<typeof Body>;

const Asked = Body.extend({ max_tokens: z.int().min(1).max(MAX_TOKENS) });

const REFUSED: Readonly<Record<string, RefusedField>> = {
  mcp_servers: {
    asksForNothing: (value) => Array.isArray(value) && value.length === 0,
    instead: "Leave it out, and offer the servers' tools as your own.",
  },
  container: { asksForNothing: () => false, instead: 'Leave it out: no peer runs code for others.' },
};

/** @throws MeshError `invalid_request` that names the field, `model_not_found` */
export function readMessageRequest(payload: unknown): MessageQuestion {
  const body = readBody(payload, Asked, REFUSED);
  if (body.messages.at(-1)?.role === 'assistant') {
    throw fieldError(
      `messages[${body.messages.length - 1}]`,
      "is the beginning of an answer, and the mesh continues none. End with a user's message.",
    );
  }
  return questionOf(body, body.max_tokens);
}

/**
 * The question that counts a prompt's tokens: the model that would answer reads it, and writes one token.
 * @throws MeshError as above
 */
export function readCountRequest(payload: unknown): MessageQuestion {
  const { stop_sequences: _stop, output_config: _config, output_format: _format, ...body } = readBody(payload, Body);
  // Whatever must be called is told to the model, and enforced only while it writes.
  const question = questionOf(body, 1);
  const [{ responseFormat: _enforced, stop: _ends, ...request }] = question.requests;
  return { ...question, check: undefined, requests: [request] };
}

function questionOf(body: Body, maxTokens: number): MessageQuestion {
  const format = formatOf(body);
  const { messages, responseFormat, stop, toolReader, check } = planTools(
    toTurns(body.system, body.messages),
    readTools(body),
    { responseFormat: format, formatField: formatFieldOf(body), stop: body.stop_sequences ?? undefined },
  );
  const thinks = body.thinking?.type === 'enabled' || body.thinking?.type === 'adaptive';
  return {
    requests: [
      {
        model: toModelId(body.model),
        messages,
        maxTokens,
        temperature: body.temperature ?? undefined,
        // The mesh wants it above 0; so small a nucleus holds the likeliest token only.
        topP: body.top_p === 0 ? 1e-6 : (body.top_p ?? undefined),
        stop: stop.length === 0 ? undefined : stop,
        responseFormat,
        // A model that thinks only where it is asked to, as Anthropic's.
        thinking: thinks,
        conversationId: conversationOf(body),
      },
    ],
    fieldNames: { response_format: format === undefined ? 'tool_choice' : 'output_config.format' },
    stream: body.stream ?? false,
    toolReader,
    check,
    stopSequences: body.stop_sequences ?? [],
    tellsThoughts: thinks && body.thinking?.display !== 'omitted',
  };
}

function formatOf({ output_config, output_format }: Body): ResponseFormat | undefined {
  const format = output_config?.format ?? output_format;
  if (format === null || format === undefined) return undefined;
  return { type: 'json_schema', schema: enforcedSchema(format.schema, formatFieldOf({ output_config })) };
}

function formatFieldOf({ output_config }: Pick<Body, 'output_config'>): string {
  return output_config?.format ? 'output_config.format.schema' : 'output_format.schema';
}

/** Claude Code names its session in there: its turns share a prefix of tens of thousands of tokens. */
const SESSION = /session_(?:id"\s*:\s*")?([0-9a-f]{8}-[0-9a-f-]{27})/;

function conversationOf({ metadata }: Body): string | undefined {
  return SESSION.exec(metadata?.user_id ?? '')?.[1];
}
