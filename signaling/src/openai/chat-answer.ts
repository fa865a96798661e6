/**
 * From the events of the mesh to a chat answer in OpenAI's shape: one or several choices, streamed or collected. Thoughts are
 * `reasoning_content` beside the content, as DeepSeek, vLLM and llama-server have it: no call is read out of them, and no
 * probabilities are told of them.
 */
import type { FinishReason, TokenLogprob } from '@tabmesh/shared';
import { endedTooSoon, type OpenedAnswer } from '../answers/opened-answer.ts';
import type { EventStream } from '../http/event-stream.ts';
import { type Called, type CallStyle, callFieldsOf, finishReasonOf } from './call-style.ts';
import {
  type AnswerHead,
  type ChatFinishReason,
  ChunkWriter,
  logprobsOf,
  type Used,
  usageChunk,
  usageOfChat,
} from './chat-chunks.ts';
import type { CallPart, CallReader } from './tools/freeform-calls.ts';

/** One of the answers to a question. */
export interface ChatChoice {
  readonly index: number;
  readonly answer: OpenedAnswer;
  /** Takes the calls out of its text; undefined: all of it is text. */
  readonly tools: CallReader | undefined;
  readonly style: CallStyle;
}

export type ChatChoices = readonly [ChatChoice, ...ChatChoice[]];

export async function collectChoices(choices: ChatChoices, head: AnswerHead): Promise<object> {
  const [first, ...others] = choices;
  const [collected, ...rest] = await Promise.all([collectChoice(first), ...others.map(collectChoice)]);
  const all = [collected, ...rest];
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: all.map(({ choice }) => choice),
    usage: usageOfChat(all.map(({ used }) => used) as [Used, ...Used[]]),
  };
}

/** Choices that stream at the same time share the stream as their tokens come. */
export async function streamChoices(
  choices: ChatChoices,
  head: AnswerHead,
  includeUsage: boolean,
  stream: EventStream,
): Promise<void> {
  const [first, ...others] = choices;
  const used = await Promise.all([
    streamChoice(first, head, includeUsage, stream),
    ...others.map((choice) => streamChoice(choice, head, includeUsage, stream)),
  ]);
  if (includeUsage) stream.send(usageChunk(head, usageOfChat(used)));
  stream.send('[DONE]');
}

async function streamChoice(
  { index, answer: { jobId, events }, tools, style }: ChatChoice,
  head: AnswerHead,
  includeUsage: boolean,
  stream: EventStream,
): Promise<Used> {
  const chunks = new ChunkWriter(head, { index, jobId, tools: tools !== undefined, style }, includeUsage);
  stream.send(chunks.start());
  let pendingLogprobs: TokenLogprob[] = [];
  let reasoningTokens = 0;
  const send = (parts: readonly CallPart[]) => {
    for (const part of parts) {
      stream.send(chunks.part(part, pendingLogprobs));
      pendingLogprobs = [];
    }
  };
  for await (const event of events) {
    if (event.type === 'end') {
      if (tools !== undefined) send(tools.end());
      stream.send(chunks.finish(finishOf(event.reason, tools, style), pendingLogprobs));
      return { usage: event.usage, reasoningTokens };
    }
    const { text, logprobs, thought, tokenCount } = event;
    if (thought) {
      reasoningTokens += tokenCount;
      if (text === '') continue;
      stream.send(chunks.thought(text));
    } else if (tools === undefined && logprobs === undefined) {
      if (text === '') continue;
      stream.send(chunks.content(text));
    } else {
      pendingLogprobs.push(...(logprobs ?? []));
      send(partsOf(text, tools));
    }
    const backlog = stream.backlog();
    if (backlog !== undefined) await backlog;
  }
  throw endedTooSoon();
}

async function collectChoice({ index, answer: { jobId, events }, tools, style }: ChatChoice) {
  let content = '';
  let thoughts = '';
  let reasoningTokens = 0;
  const calls: Called[] = [];
  const logprobs: TokenLogprob[] = [];
  let hasLogprobs = false;
  const take = (parts: readonly CallPart[]) => {
    for (const part of parts) {
      const call = part.type === 'text' ? undefined : calls[part.index];
      if (part.type === 'text') content += part.text;
      else if (part.type === 'call') calls.push({ name: part.name, given: '' });
      else if (call !== undefined) call.given += part.text;
    }
  };
  for await (const event of events) {
    if (event.type === 'tokens') {
      if (event.thought) {
        thoughts += event.text;
        reasoningTokens += event.tokenCount;
        continue;
      }
      if (tools === undefined && event.logprobs === undefined) {
        content += event.text;
        continue;
      }
      hasLogprobs ||= event.logprobs !== undefined;
      logprobs.push(...(event.logprobs ?? []));
      take(partsOf(event.text, tools));
      continue;
    }
    if (tools !== undefined) take(tools.end());
    const message = {
      role: 'assistant',
      content: content === '' && calls.length > 0 ? null : content,
      refusal: null,
      ...(thoughts === '' ? {} : { reasoning_content: thoughts }),
      ...callFieldsOf(calls, style, jobId),
    };
    return {
      choice: {
        index,
        message,
        logprobs: hasLogprobs ? logprobsOf(logprobs) : null,
        finish_reason: finishOf(event.reason, tools, style),
      },
      used: { usage: event.usage, reasoningTokens },
    };
  }
  throw endedTooSoon();
}

function partsOf(text: string, tools: CallReader | undefined): readonly CallPart[] {
  if (tools !== undefined) return tools.push(text);
  return text === '' ? [] : [{ type: 'text', text }];
}

/** A call that was cut off is no call to follow. */
function finishOf(reason: FinishReason, tools: CallReader | undefined, style: CallStyle): ChatFinishReason {
  return reason === 'stop' && tools !== undefined && tools.calls > 0 ? finishReasonOf(style) : reason;
}
