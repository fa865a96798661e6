/** The model behind the test's servers: the scripted engine, and what it lacks of JSON, biases, penalties and probabilities. */
import { type ChatMessage, MeshError, systemClock } from '@tabmesh/shared';
import { createScriptedEngine, type ScriptedEngine } from '../../../shared/src/testing/scripted-engine.ts';

export interface Asked {
  readonly messages: readonly ChatMessage[];
  readonly maxTokens: number | undefined;
  readonly temperature?: number | undefined;
  readonly seed?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly schema?: Schema | undefined;
  readonly biased?: readonly string[] | undefined;
  readonly frequencyPenalty?: number | undefined;
}

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** A chunk as servers send it: with the tokens of characters that they held back. */
export interface Piece {
  readonly text: string;
  readonly tokensSoFar: number;
}

export interface Finish {
  readonly reason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export const CONTEXT_TOKENS = 512;

export class ScriptedModel {
  readonly #engine: ScriptedEngine = createScriptedEngine({
    clock: systemClock,
    scenario: 'steady',
    contextTokens: CONTEXT_TOKENS,
    slots: 64,
    ttftMs: 1,
    tokenIntervalMs: 1,
  });

  /** Answers under way. */
  running(): number {
    return this.#engine.running();
  }

  /** Undefined when the prompt fits. */
  overflow(messages: readonly ChatMessage[]): number | undefined {
    const tokens = promptTokens(messages);
    return tokens >= CONTEXT_TOKENS ? tokens : undefined;
  }

  /** @throws MeshError */
  async *answer(asked: Asked, signal: AbortSignal): AsyncGenerator<Piece, Finish> {
    const forced = forcedWords(asked);
    if (forced !== undefined) return yield* this.#say(forced, asked);
    let tokensSoFar = 0;
    const { maxTokens = CONTEXT_TOKENS, temperature = 0, seed, stop = [], messages } = asked;
    const request = { messages, maxTokens, temperature, topP: 1, seed, stop };
    for await (const event of this.#engine.generate(request, signal)) {
      if (event.type === 'end') {
        const { promptTokens, cachedTokens, completionTokens } = event.usage;
        return { reason: event.reason, promptTokens, cachedTokens, completionTokens };
      }
      tokensSoFar += event.tokenCount;
      if (event.text !== '') yield { text: event.text, tokensSoFar };
    }
    throw MeshError.engineFailed('the script has no end');
  }

  async *#say(words: readonly string[], { maxTokens = 99, messages }: Asked): AsyncGenerator<Piece, Finish> {
    const said = words.slice(0, maxTokens);
    for (const [index, text] of said.entries()) yield { text, tokensSoFar: index + 1 };
    const reason = said.length < words.length ? 'length' : 'stop';
    return { reason, promptTokens: promptTokens(messages), cachedTokens: 0, completionTokens: said.length };
  }
}

export function promptTokens(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content }) => sum + 1 + (content.match(/\S+/g)?.length ?? 0), 0);
}

function forcedWords({ schema, biased = [], frequencyPenalty = 0 }: Asked): string[] | undefined {
  if (schema !== undefined) {
    return JSON.stringify(instanceOf(schema)).match(/.{1,3}/g) ?? [];
  }
  if (biased.length > 0) return Array.from({ length: 40 }, () => ` #${biased[0]}`);
  if (frequencyPenalty < 0) return Array.from({ length: 40 }, () => ' fox');
  return undefined;
}

function instanceOf({ type, properties = {}, items, enum: values }: Schema): unknown {
  if (values !== undefined) return values[0] ?? null;
  if (items !== undefined) return [instanceOf(items)];
  if (type === 'boolean') return true;
  if (type !== 'object') return null;
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, instanceOf(value)]));
}
