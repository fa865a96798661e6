/** The grammars of one model: made once for each form of answer, and moved past the beginning of an answer that goes on. */
import { setImmediate } from 'node:timers/promises';
import { MeshError, type ResponseFormat } from '@tabmesh/shared';
import { anyObjectGrammar, grammarOfSchema } from '@tabmesh/shared/json-grammar';
import { type LlamaGrammar, LlamaGrammarEvaluationState, type LlamaModel, type Token } from 'node-llama-cpp';
import { MOST_KEPT_GRAMMARS, TURN_MS } from '../limits.ts';
import type { AnswerStop } from './answer-stop.ts';
import { grammarFeeder } from './llama-internals.ts';

export class LlamaGrammars {
  readonly #model: LlamaModel;
  readonly #vocabularySize: number;
  /** By the form's text, the one used last at the end. */
  readonly #grammars = new Map<string, LlamaGrammar>();

  constructor(model: LlamaModel) {
    this.#model = model;
    this.#vocabularySize = model.fileInfo.metadata.tokenizer?.ggml.tokens.length ?? 0;
  }

  /**
   * The state of one answer, past its beginning if there is one.
   * @throws MeshError `invalid_request` when the schema can't be followed or the beginning does not follow it; `cancelled`
   */
  async stateOf(
    format: ResponseFormat,
    beginning: readonly Token[],
    stop: AnswerStop,
  ): Promise<LlamaGrammarEvaluationState> {
    const state = new LlamaGrammarEvaluationState({ model: this.#model, grammar: await this.#grammarOf(format) });
    if (beginning.length === 0) return state;
    const feed = grammarFeeder(this.#model);
    if (feed === undefined) throw MeshError.unsupportedFeature('continue');
    let turnSinceMs = performance.now();
    for (const token of beginning) {
      // A grammar of many choices takes its time for each token, and a beginning may fill the context.
      if (performance.now() - turnSinceMs > TURN_MS) {
        await stop.race(setImmediate());
        turnSinceMs = performance.now();
      }
      follow(() => feed(state, token));
    }
    return state;
  }

  async #grammarOf(format: ResponseFormat): Promise<LlamaGrammar> {
    // The schema is checked first: only what passed has a text of bearable length.
    const text =
      format.type === 'json_object' ? anyObjectGrammar() : grammarOfSchema(format.schema, this.#vocabularySize);
    const grammar = this.#grammars.get(text) ?? (await this.#create(text));
    this.#grammars.delete(text);
    this.#grammars.set(text, grammar);
    for (const [oldest] of this.#grammars) {
      if (this.#grammars.size <= MOST_KEPT_GRAMMARS) break;
      this.#grammars.delete(oldest);
    }
    return grammar;
  }

  async #create(grammar: string): Promise<LlamaGrammar> {
    try {
      return await this.#model.llama.createGrammar({ grammar });
    } catch (cause) {
      throw new MeshError('invalid_request', "llama.cpp can't follow this JSON schema. Make it simpler.", { cause });
    }
  }
}

function follow(step: () => void): void {
  try {
    step();
  } catch (cause) {
    throw new MeshError('invalid_request', 'The beginning of the answer does not follow its JSON schema.', { cause });
  }
}
