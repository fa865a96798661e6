/**
 * The answers that are running, at most one per conversation. They belong to the app and not to the page that shows
 * them: walking to another conversation stops nothing.
 */
import {
  type BegunAnswer,
  type Clock,
  type CompletionRequest,
  MeshError,
  type ModelId,
  peerName,
} from '@tabmesh/shared';
import { SvelteMap } from 'svelte/reactivity';
import { type AnswerSource, type AnswerUpdate, reduceAnswer, updateOfError } from '../conversations/answer-reducer.ts';
import { beginningOf, type Message, pendingAnswer, promptOf, userMessage } from '../conversations/conversation.ts';
import type { FallbackWay } from '../fallback/fallback-way.ts';
import { NOTICE_READ_MS } from '../limits.ts';
import type { MeshState } from '../mesh/mesh-state.svelte.ts';
import type { Conversations } from '../open-conversations/conversations.svelte.ts';
import type { MessageCell, Thread } from '../open-conversations/thread.svelte.ts';
import { createFrameBatch, type FrameBatch, type FramePort } from '../ui/frame-batch.ts';

export interface ActiveAnswersOptions {
  readonly mesh: MeshState;
  readonly conversations: Conversations;
  readonly clock: Clock;
  readonly frames: FramePort;
  readonly newId: () => string;
  readonly now: () => Date;
  /** What the user chose; undefined: the mesh's default. */
  readonly chosenModel: () => ModelId | undefined;
}

export class ActiveAnswers {
  /** What a screen reader is told, once per answer. */
  announcement = $state.raw('');
  readonly #options: ActiveAnswersOptions;
  readonly #running = new SvelteMap<string, AbortController>();
  #fallback = $state.raw<FallbackWay | undefined>();

  constructor(options: ActiveAnswersOptions) {
    this.#options = options;
    options.conversations.onStopAsked((id) => this.#abort(id));
  }

  isRunning(conversationId: string): boolean {
    return this.#running.has(conversationId);
  }

  /** Whether an answer is being written there, by this tab or by another one of this browser. */
  isAnswered({ id, answeredElsewhere }: Thread): boolean {
    return this.isRunning(id) || answeredElsewhere;
  }

  /** By which the next question would go, because a notice on the screen says so; undefined: through the mesh. */
  get fallback(): FallbackWay | undefined {
    return this.#fallback;
  }

  get canAsk(): boolean {
    return this.#options.mesh.canAnswer || this.#fallback !== undefined;
  }

  /**
   * Says that a notice stands on the screen which tells who would see the next question. Only what is asked from a moment
   * later on, and before the returned call, goes by that way; all else stays in the mesh.
   */
  noticeShown(way: FallbackWay): () => void {
    const cancel = this.#options.clock.after(NOTICE_READ_MS, () => {
      this.#fallback = way;
    });
    return () => {
      cancel();
      if (this.#fallback === way) this.#fallback = undefined;
    };
  }

  /** Asks in a conversation, or in a new one. */
  ask(open: Thread | undefined, text: string): Thread {
    const { conversations, mesh, newId, now } = this.#options;
    const thread = open ?? conversations.create(text);
    if (this.isAnswered(thread)) return thread;
    conversations.append(thread, userMessage(newId(), text, mesh.peerId ?? null, now()));
    this.#answer(thread);
    return thread;
  }

  /** Answers anew from `position` on; what stands there and after it goes. */
  regenerate(thread: Thread, position: number): void {
    if (this.isAnswered(thread)) return;
    this.#options.conversations.truncate(thread, position);
    this.#answer(thread);
  }

  /** Goes on with the last answer, which broke off, behind what stands there; in the mesh, where it was begun. */
  goOn(thread: Thread): void {
    const cell = thread.cells.at(-1);
    if (cell === undefined || this.isAnswered(thread)) return;
    const begun = beginningOf(cell.value);
    if (begun === undefined) return;
    cell.value = this.#reduce(cell.value, { type: 'resumed' });
    this.#run(thread, cell, undefined, begun);
  }

  /** Asks with another text in place of the message at `position`; what came after it goes. */
  edit(thread: Thread, position: number, text: string): void {
    if (this.isAnswered(thread)) return;
    this.#options.conversations.truncate(thread, position);
    this.ask(thread, text);
  }

  /** Wherever it runs. */
  stop(conversationId: string): void {
    if (this.isRunning(conversationId)) this.#abort(conversationId);
    else this.#options.conversations.askToStop(conversationId);
  }

  close(): void {
    for (const controller of this.#running.values()) controller.abort(MeshError.cancelled());
  }

  #abort(conversationId: string): void {
    this.#running.get(conversationId)?.abort(MeshError.cancelled());
  }

  #answer(thread: Thread): void {
    const { conversations, newId, now } = this.#options;
    // Settled now, by what the screen says now.
    const fallback = this.#fallback;
    this.#run(thread, conversations.append(thread, pendingAnswer(newId(), now(), fallback?.host)), fallback, undefined);
  }

  #reduce(answer: Message, update: AnswerUpdate): Message {
    const { mesh } = this.#options;
    return reduceAnswer(answer, update, { nameOf: peerName, classOf: (peerId, model) => mesh.classOf(peerId, model) });
  }

  /** Fills the cell, the last of its thread. */
  async #run(
    thread: Thread,
    cell: MessageCell,
    fallback: FallbackWay | undefined,
    begun: BegunAnswer | undefined,
  ): Promise<void> {
    const { mesh, conversations, frames, clock } = this.#options;
    const turns = thread.messages().slice(0, -1);
    const { omittedMessages, host } = cell.value;
    const controller = new AbortController();
    this.#running.set(thread.id, controller);
    const endAnswer = conversations.beginAnswer(thread);
    const batch = createFrameBatch<AnswerUpdate>(
      (updates) => {
        cell.value = updates.reduce((answer, update) => this.#reduce(answer, update), cell.value);
        conversations.update(thread, cell);
      },
      frames,
      clock,
    );
    try {
      const model = begun === undefined ? (fallback?.model ?? this.#options.chosenModel()) : host?.model;
      const answering: AnswerSource = fallback ?? (await mesh.answerable(controller.signal));
      const question = { model, conversationId: thread.id, begun };
      await stream(timed(answering, clock), question, turns, omittedMessages, batch, controller.signal);
    } catch (error) {
      batch.push(controller.signal.aborted ? { type: 'stopped' } : updateOfError(error));
    } finally {
      batch.flush();
      endAnswer();
      this.#running.delete(thread.id);
      this.announcement = spoken(cell.value);
    }
  }
}

/** A conversation that outgrew the model's context is asked again with its newer half, until it fits. */
async function stream(
  answering: AnswerSource,
  question: Omit<CompletionRequest, 'messages'>,
  turns: readonly Message[],
  omitted: number,
  batch: FrameBatch<AnswerUpdate>,
  signal: AbortSignal,
): Promise<void> {
  for (let omit = omitted; ; ) {
    const { messages, omitted } = promptOf(turns, omit);
    batch.push({ type: 'omitted', count: omitted });
    try {
      for await (const update of answering.complete({ ...question, messages }, signal)) batch.push(update);
      return;
    } catch (error) {
      if (!MeshError.is(error, 'context_length_exceeded') || messages.length <= 1) throw error;
      omit = omitted + Math.ceil(messages.length / 2);
    }
  }
}

/** Tells how long an answer thought as soon as it answers: its end, which has the figures, may be long in coming. */
function timed({ complete }: AnswerSource, clock: Clock): AnswerSource {
  return {
    async *complete(request, signal) {
      let sinceMs: number | undefined;
      for await (const update of complete(request, signal)) {
        yield update;
        if (update.type !== 'tokens' || update.text === '') continue;
        if (update.thought) sinceMs ??= clock.monotonicMs();
        else if (sinceMs !== undefined) {
          yield { type: 'thought', tookMs: clock.monotonicMs() - sinceMs };
          sinceMs = undefined;
        }
      }
    },
  };
}

function spoken(answer: Message): string {
  const { status, host } = answer;
  if (status.state === 'error') return `The answer failed: ${status.message}`;
  const by = host?.peer === null ? `, at an outside provider (${host.peerName}),` : '';
  return `${host?.model ?? 'The mesh'}${by} answered: ${answer.content}`;
}
