/**
 * How an answer grows: the one place that turns what the mesh reports into the message that is shown and stored.
 */
import {
  type AnswerEvent,
  type ClassId,
  type CompletionRequest,
  MeshError,
  type MeshErrorCode,
  type ModelId,
  type PeerId,
  type TokensEvent,
} from '@tabmesh/shared';
import type { Host, Message, Resumable } from './conversation.ts';
import { routeRecord } from './route-record.ts';

export type AnswerUpdate =
  | AnswerEvent
  /** Who answers a question that went by the entry, without an explanation; null: the outside provider. */
  | { readonly type: 'served'; readonly peer: PeerId | null; readonly model: ModelId }
  /** The outside provider did not get the question after all. */
  | { readonly type: 'unseen' }
  | { readonly type: 'omitted'; readonly count: number }
  /** It thought for so long before it began to answer. */
  | { readonly type: 'thought'; readonly tookMs: number }
  /** It broke off, and is asked for from where it stands. */
  | { readonly type: 'resumed' }
  | { readonly type: 'stopped' }
  | {
      readonly type: 'failed';
      readonly code: MeshErrorCode;
      readonly message: string;
    };

/** Where a question may go; the mesh is one such place. */
export interface AnswerSource {
  complete(request: CompletionRequest, signal: AbortSignal): AsyncIterable<AnswerUpdate>;
}

/** What is known of the peers that answer. */
export interface KnownPeers {
  nameOf(peerId: PeerId): string;
  /** Which build of the model the peer runs; undefined when it is not in the roster. */
  classOf(peerId: PeerId, model: ModelId): ClassId | undefined;
}

/** A settled answer takes no further updates: a late token after Stop changes nothing. */
export function reduceAnswer(answer: Message, update: AnswerUpdate, peers: KnownPeers): Message {
  const { nameOf } = peers;
  if (update.type === 'resumed') return { ...answer, status: { state: 'streaming' } };
  if (answer.status.state !== 'streaming') return answer;
  switch (update.type) {
    case 'route':
      return {
        ...answer,
        sender: update.peerId,
        host: unmeasured(update.peerId, nameOf(update.peerId), update.model),
        route: routeRecord(update.explanation, nameOf),
        ...(update.continues === null
          ? { resumable: resumable(peers.classOf(update.peerId, update.model)) }
          : { begunBy: beginners(answer, update.peerId, update.continues === 'same-class') }),
      };
    case 'served': {
      const { peer, model } = update;
      const name = peer === null ? (answer.outside ?? 'unknown') : nameOf(peer);
      return { ...answer, sender: peer, host: unmeasured(peer, name, model), resumable: undefined };
    }
    case 'unseen':
      return { ...answer, outside: undefined };
    case 'tokens':
      return {
        ...answer,
        ...(update.thought
          ? { thoughts: { text: (answer.thoughts?.text ?? '') + update.text, tookMs: null } }
          : { content: answer.content + update.text }),
        resumable: answer.resumable && grown(answer.resumable, answer.content, update),
      };
    case 'thought':
      return { ...answer, thoughts: answer.thoughts && { ...answer.thoughts, tookMs: update.tookMs } };
    case 'end':
      return {
        ...answer,
        host: answer.host && {
          ...answer.host,
          ttftMs: update.ttftMs,
          tokensPerSecond: update.tokensPerSecond,
        },
        resumable: undefined,
        status: { state: 'done', finish: update.reason },
      };
    case 'omitted':
      return { ...answer, omittedMessages: update.count };
    case 'stopped':
      return { ...answer, status: { state: 'done', finish: 'stopped' } };
    case 'failed':
      return {
        ...answer,
        status: { state: 'error', code: update.code, message: update.message },
      };
    default:
      return update satisfies never;
  }
}

/** From the first thought on it keeps what the model wrote, because the content is not that any more. */
function grown(resumable: Resumable, content: string, { text, thought, written, tokenCount }: TokensEvent): Resumable {
  const isOther = resumable.written !== undefined || thought || written !== undefined;
  return {
    ...resumable,
    tokenCount: resumable.tokenCount + tokenCount,
    ...(isOther ? { written: (resumable.written ?? content) + (written ?? text) } : {}),
  };
}

function resumable(classId: ClassId | undefined): Message['resumable'] {
  return classId === undefined ? undefined : { tokenCount: 0, classId };
}

/** Who wrote until now. A peer that was to go on and gave nothing is not among them, nor one that goes on itself. */
function beginners({ begunBy, host, content }: Message, next: PeerId, sameBuild: boolean): Message['begunBy'] {
  const until = content.length;
  const before = begunBy?.at(-1);
  if (begunBy !== undefined && before?.until === until) return [...begunBy.slice(0, -1), { ...before, sameBuild }];
  if (host === null || host.peer === null || host.peer === next) return begunBy;
  return [...(begunBy ?? []), { peer: host.peer, peerName: host.peerName, until, sameBuild }];
}

function unmeasured(peer: PeerId | null, peerName: string, model: ModelId): Host {
  return { peer, peerName, model, ttftMs: null, tokensPerSecond: null };
}

/** What a thrown error means for the answer: the user's own stop is no failure. */
export function updateOfError(error: unknown): AnswerUpdate {
  if (MeshError.is(error, 'cancelled')) return { type: 'stopped' };
  if (MeshError.is(error)) return { type: 'failed', code: error.code, message: error.message };
  return {
    type: 'failed',
    code: 'engine_failed',
    message: `Something went wrong in this page (${error instanceof Error ? error.message : String(error)}). Try again.`,
  };
}
