/** What `HttpEngine` asks of a protocol, and what protocols share. One `ServerProtocol` is one model of one server. */
import {
  type EngineModel,
  type FinishReason,
  type GenerationRequest,
  MeshError,
  type TokenLogprob,
  type Usage,
} from '@tabmesh/shared';
import { withoutLikelyControl } from '@tabmesh/shared/control-texts';
import type { z } from 'zod';

/** One message of a server's stream; what it does not tell is absent. */
export interface AnswerPart {
  readonly text: string;
  /** Of a model that thinks before it answers, where the server takes its thoughts out of the text. */
  readonly thought: string;
  /** Of the whole answer so far. */
  readonly usage: Partial<Usage>;
  readonly logprobs: readonly TokenLogprob[];
  readonly reason: FinishReason | undefined;
}

export interface ServerProtocol {
  readonly model: Omit<EngineModel, 'features'>;
  /**
   * Ends when the server has said all. Leaving the loop or aborting ends the request.
   * @throws MeshError of `server-failure.ts`
   */
  answer(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<AnswerPart>;
  /** One vector for each input, as the server gives them. */
  embed(inputs: readonly string[], signal: AbortSignal): Promise<{ vectors: number[][]; promptTokens: number }>;
  /** Rejects when the server is gone. */
  check(signal: AbortSignal): Promise<void>;
}

/** Which model of which server, as whom and for how many. */
export interface ModelAtServer {
  /** As the server names it. */
  readonly name: string;
  readonly slots: number;
  /** Absent: what the server says, else 4,096. */
  readonly contextTokens: number | undefined;
}

/** Every server takes it: some hold a seed in 32 bits, some take negative ones for none. */
export function seedOf({ seed }: GenerationRequest): number | undefined {
  return seed === undefined ? undefined : ((seed % SEEDS) + SEEDS) % SEEDS;
}

const SEEDS = 2 ** 31;

/**
 * Half characters become replacement characters: JSON parsers in other languages refuse them. A tool's answer goes as the
 * user's, because servers want it to name a call that they never saw.
 */
export function wireMessages(messages: GenerationRequest['messages']): { role: string; content: string }[] {
  return messages.map(({ role, content }) => ({
    role: role === 'tool' ? 'user' : role,
    // Servers make control tokens of their texts wherever they stand.
    content: withoutLikelyControl(Buffer.from(content, 'utf8').toString('utf8')),
  }));
}

export function noSuchModel(name: string, there: readonly string[]): MeshError {
  const names = there.map((one) => `'${one}'`).join(', ');
  return new MeshError(
    'model_not_found',
    `The server has no model '${name}'. ${names === '' ? 'It has none at all.' : `It has ${names}.`}`,
  );
}

/** @throws MeshError `engine_failed` */
export function parsed<Shape extends z.ZodType>(shape: Shape, value: unknown, what: string): z.infer<Shape> {
  const { data, success } = shape.safeParse(value);
  if (!success) throw MeshError.engineFailed(`its server speaks another protocol: ${what} can't be read`);
  return data;
}

/** Undefined, which no schema takes, for what is no JSON. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
