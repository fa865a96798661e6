/**
 * How an answer grows: the one place that turns what the mesh reports into the message that is shown and stored.
 */
import { type AnswerEvent, MeshError, type MeshErrorCode, type ModelId, type PeerId } from '@tabmesh/shared';
import type { Host, Message } from './conversation.ts';
import { routeRecord } from './route-record.ts';

export type AnswerUpdate =
  | AnswerEvent
  /** Who answers a question that went by the entry, without an explanation; null: the outside provider. */
  | { readonly type: 'served'; readonly peer: PeerId | null; readonly model: ModelId }
  /** The outside provider did not get the question after all. */
  | { readonly type: 'unseen' }
  | { readonly type: 'omitted'; readonly count: number }
  | { readonly type: 'stopped' }
  | {
      readonly type: 'failed';
      readonly code: MeshErrorCode;
      readonly message: string;
    };

/** A settled answer takes no further updates: a late token after Stop changes nothing. */
export function reduceAnswer(answer: Message, update: AnswerUpdate, nameOf: (peerId: PeerId) => string): Message {
  if (answer.status.state !== 'streaming') return answer;
  switch (update.type) {
    case 'route':
      return {
        ...answer,
        sender: update.peerId,
        host: unmeasured(update.peerId, nameOf(update.peerId), update.model),
        route: routeRecord(update.explanation, nameOf),
      };
    case 'served': {
      const { peer, model } = update;
      const name = peer === null ? (answer.outside ?? 'unknown') : nameOf(peer);
      return { ...answer, sender: peer, host: unmeasured(peer, name, model) };
    }
    case 'unseen':
      return { ...answer, outside: undefined };
    case 'tokens':
      return { ...answer, content: answer.content + update.text };
    case 'end':
      return {
        ...answer,
        host: answer.host && {
          ...answer.host,
          ttftMs: update.ttftMs,
          tokensPerSecond: update.tokensPerSecond,
        },
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
