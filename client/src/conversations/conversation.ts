/**
 * What a conversation is, and the pure questions about it: its title, its day, what of it goes into a prompt.
 */
import type { BegunAnswer, ChatMessage, FinishReason, MeshErrorCode, ModelId, PeerId } from '@tabmesh/shared';
import { MAX_TITLE_CHARACTERS } from '../limits.ts';
import type { RouteRecord } from './route-record.ts';

/** Who answered, with the figures this tab measured; null: not measured. */
export interface Host {
  /** null: no peer but an outside provider. */
  readonly peer: PeerId | null;
  /** Two words for a peer, the host's name for an outside provider. */
  readonly peerName: string;
  readonly model: ModelId;
  readonly ttftMs: number | null;
  readonly tokensPerSecond: number | null;
}

/** A peer that began an answer and could not end it. */
export interface Beginner {
  readonly peer: PeerId;
  readonly peerName: string;
  /** How much stood there, in UTF-16 units, when another peer went on. */
  readonly until: number;
  /** Whether the peer that went on runs the very build of the model that began. */
  readonly sameBuild: boolean;
}

export type MessageStatus =
  | { readonly state: 'streaming' }
  | { readonly state: 'done'; readonly finish: FinishReason | 'stopped' }
  | {
      readonly state: 'error';
      readonly code: MeshErrorCode;
      readonly message: string;
    };

export interface Message {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** The peer that wrote it; null until a peer has been found for an answer. */
  readonly sender: PeerId | null;
  readonly host: Host | null;
  readonly status: MessageStatus;
  readonly route: RouteRecord | null;
  /** How many earlier messages the prompt left out because they did not fit the model's context. */
  readonly omittedMessages: number;
  /**
   * The host of the outside provider that saw the prompt of this answer, or may have seen it. Absent: none did. Kept from
   * before the question leaves, so that a page which closes meanwhile does not forget it. What is called fallback elsewhere
   * has this name in stored conversations and in files.
   */
  readonly outside?: string | undefined;
  /** Who wrote before `host` did, in order. Absent: one peer wrote it all. */
  readonly begunBy?: readonly Beginner[] | undefined;
  /** What the model thought before it answered. Absent: nothing. */
  readonly thoughts?: Thoughts | undefined;
  /** What another peer needs beside the text to go on with it. Absent: it is whole, or nobody can. */
  readonly resumable?: Resumable | undefined;
}

export interface Thoughts {
  readonly text: string;
  /** Until the answer began; null: it has not. */
  readonly tookMs: number | null;
}

export interface Resumable extends Omit<BegunAnswer, 'text'> {
  /** What the model wrote, thoughts and all. Absent: the content. */
  readonly written?: string | undefined;
}

export interface ConversationHead {
  readonly id: string;
  readonly title: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface Conversation extends ConversationHead {
  readonly messages: readonly Message[];
}

export interface ConversationGroup {
  readonly label: string;
  readonly heads: readonly ConversationHead[];
}

const DAY_MS = 86_400_000;

export function userMessage(id: string, content: string, sender: PeerId | null, now: Date): Message {
  return {
    ...emptyMessage(id, now),
    role: 'user',
    content,
    sender,
    status: { state: 'done', finish: 'stop' },
  };
}

export function pendingAnswer(id: string, now: Date, outside?: string): Message {
  return {
    ...emptyMessage(id, now),
    role: 'assistant',
    status: { state: 'streaming' },
    ...(outside === undefined ? {} : { outside }),
  };
}

/** From where a peer could go on with an answer that broke off. */
export function beginningOf({ content, resumable, status }: Message): BegunAnswer | undefined {
  if (status.state !== 'error' || resumable === undefined) return undefined;
  const { written: text = content, ...others } = resumable;
  return text === '' ? undefined : { text, ...others };
}

/** The first line of what was asked, without markup, cut at a word. */
export function titleOf(text: string): string {
  const line =
    text
      .split('\n')
      .map((part) => part.replace(/^[#>\-*\s]+/, '').replace(/[`*_]{1,3}/g, ''))
      .map((part) => part.replace(/\s+/g, ' ').trim())
      .find((part) => part !== '') ?? 'New chat';
  const characters = [...line];
  if (characters.length <= MAX_TITLE_CHARACTERS) return line;
  const cut = characters.slice(0, MAX_TITLE_CHARACTERS).join('');
  const lastSpace = cut.lastIndexOf(' ');
  return `${(lastSpace > MAX_TITLE_CHARACTERS / 2 ? cut.slice(0, lastSpace) : cut).trimEnd()}…`;
}

/** Newest first, under 'Today', 'Yesterday', the weekday of the last seven days, then the month. Local time. */
export function groupByDay(heads: readonly ConversationHead[], now: Date): ConversationGroup[] {
  const groups = new Map<string, ConversationHead[]>();
  const newestFirst = [...heads].sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : -1));
  for (const head of newestFirst) {
    const label = dayLabel(new Date(head.updatedAt), now);
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [head]);
    else group.push(head);
  }
  return [...groups].map(([label, members]) => ({ label, heads: members }));
}

/**
 * The prompt made of the turns before an answer. Leaves out at least the `omit` oldest ones and then goes on to the next
 * question, so that a prompt never begins with an answer; the last turn always stays.
 */
export function promptOf(turns: readonly Message[], omit: number): { messages: ChatMessage[]; omitted: number } {
  const spoken = turns.filter((turn) => turn.content !== '');
  let start = Math.min(omit, Math.max(0, spoken.length - 1));
  while (start < spoken.length - 1 && spoken[start]?.role !== 'user') start += 1;
  return {
    messages: spoken.slice(start).map(({ role, content }) => ({ role, content })),
    omitted: start,
  };
}

/** An answer that was left streaming when its page closed. The tab that streams it never reads it from storage. */
export function asRead(message: Message): Message {
  if (message.status.state !== 'streaming') return message;
  return {
    ...message,
    status: {
      state: 'error',
      code: 'cancelled',
      message: 'The page closed while this answer was running. Ask again to get a whole one.',
    },
  };
}

function emptyMessage(id: string, now: Date): Message {
  return {
    id,
    role: 'user',
    content: '',
    createdAt: now.toISOString(),
    sender: null,
    host: null,
    status: { state: 'streaming' },
    route: null,
    omittedMessages: 0,
  };
}

function dayLabel(date: Date, now: Date): string {
  const days = Math.round((startOfDay(now) - startOfDay(date)) / DAY_MS);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days < 7) return date.toLocaleDateString('en', { weekday: 'long' });
  return date.toLocaleDateString('en', { month: 'long', year: 'numeric' });
}

function startOfDay(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}
