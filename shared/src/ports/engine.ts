/**
 * What the mesh asks of an inference engine. One `Engine` is one loaded model. Adapters: llama.cpp (native-peer),
 * wllama and WebLLM (client), `ScriptedEngine` (testing); all pass `engineContract`.
 */
import type { AnyFamily, ModelFeature } from '../protocol/announcement.ts';
import type { ClassId, ModelId } from '../protocol/ids.ts';
import type {
  ChatMessage,
  FinishReason,
  LogitBias,
  ResponseFormat,
  TokenLogprob,
  Usage,
} from '../protocol/messages.ts';

export interface EngineModel {
  readonly id: ModelId;
  readonly classId: ClassId;
  /** The software that runs it; `EngineFamily` has the project's own, and any other name is as good. */
  readonly family: AnyFamily;
  /** What runs it, for people: `llama.cpp · CPU AVX2`, `wllama · WebAssembly, 1 thread`, `WebLLM · WebGPU`. */
  readonly backend: string;
  /** Tokens that prompt and answer share. */
  readonly contextTokens: number;
  /** Answers that can run at the same time. */
  readonly slots: number;
  readonly sizeBytes: number;
  readonly features: readonly ModelFeature[];
}

export interface GenerationRequest {
  readonly messages: readonly ChatMessage[];
  /** Upper bound of answer tokens; the engine also ends at its context. */
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  /** Same seed, same request, same backend: same answer. Absent: the engine draws one. */
  readonly seed?: number | undefined;
  /**
   * The answer ends before the first of these in its text (reason `stop`); a text that may still become one is held back.
   * Thoughts are not looked at. Engines without stop strings of their own use `StopScanner`.
   */
  readonly stop: readonly string[];
  /** The answer is JSON, enforced by a grammar. A schema that the engine can't follow is an `invalid_request`. Feature `json`. */
  readonly responseFormat?: ResponseFormat | undefined;
  /** Tell each token's probability and so many of the likeliest ones, 0 to 20. Feature `logprobs`. */
  readonly topLogprobs?: number | undefined;
  /** Feature `logit-bias`. */
  readonly logitBias?: LogitBias | undefined;
  /** −2 to 2, by OpenAI's definition. Feature `penalties`. */
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  /** Whether the model thinks first, where its chat template knows `enable_thinking`. Absent: as the template has it. */
  readonly thinking?: boolean | undefined;
  /**
   * The beginning of the answer, whole tokens as another engine of the class gave them: this one goes on right behind it
   * and yields only what is new. For engines with the feature `continue`; `maxTokens` and usage leave these tokens out.
   */
  readonly continues?: AnswerBeginning | undefined;
}

export interface AnswerBeginning {
  /** As the model wrote it: each event's `written`, else its `text`. */
  readonly text: string;
  readonly tokenCount: number;
}

export interface TokensEvent {
  readonly type: 'tokens';
  readonly text: string;
  readonly tokenCount: number;
  /** What the model thinks before it answers, told apart by `ThoughtSplitter`; absent: the answer. */
  readonly thought?: true;
  /**
   * What the model wrote, where that is not `text`: readers see no markers of thoughts, but who goes on with the answer has
   * to read them.
   */
  readonly written?: string;
  /** One for each token, where the request asks for them. */
  readonly logprobs?: readonly TokenLogprob[];
}

/**
 * `tokens`: whole tokens only, `text` is valid Unicode (an engine holds bytes back until a character is complete, so a
 * text may be empty while its count is not). The counts of one answer add up to `usage.completionTokens`.
 */
export type EngineEvent =
  | TokensEvent
  | {
      readonly type: 'end';
      readonly reason: FinishReason;
      readonly usage: Usage;
      /** Which of the request's stop strings ended it, where one did. */
      readonly stopText?: string;
      /** What the engine runs in counted nothing, and the usage is a guess: no speed is told of it. */
      readonly usageIsGuess?: boolean;
    };

export interface Embeddings {
  /** One for each input, all of the same length, of length 1. */
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
}

export interface Engine {
  readonly model: EngineModel;
  /**
   * Yields token events and then exactly one `end`. Rejects with a `MeshError`: `context_length_exceeded`,
   * `engine_failed`, `out_of_memory`, and `cancelled` once `signal` is aborted (within one token). Leaving the loop early
   * cancels as well. At most `model.slots` run at once; the caller keeps to that.
   */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<EngineEvent>;
  /** For engines with the feature `embeddings`. Takes a slot, and rejects, as `generate` does. */
  embed?(inputs: readonly string[], signal: AbortSignal): Promise<Embeddings>;
  /** Calls back once when the engine is lost for good (GPU device lost, worker crashed). Returns the unsubscribe. */
  onLost(listener: (error: Error) => void): () => void;
  /** Frees the model. Idempotent; running answers reject with `cancelled`. */
  close(): Promise<void>;
}
