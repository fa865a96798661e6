/**
 * Conversations as a JSON file. What is read back was written by anybody, so every field is checked before anything is
 * stored.
 */
import { ClassId, MESH_ERROR_CODES, MeshError, ModelId, PeerId } from '@tabmesh/shared';
import { MAX_HOST_CHARACTERS, MAX_IMPORTED_CHARACTERS } from '../limits.ts';
import type { Beginner, Conversation, Host, Message, MessageStatus, Thoughts } from './conversation.ts';

const FORMAT = 'tabmesh-conversations';
const VERSION = 1;

export function writeConversationFile(conversations: readonly Conversation[], now: Date): string {
  return JSON.stringify(
    {
      format: FORMAT,
      version: VERSION,
      exportedAt: now.toISOString(),
      conversations,
    },
    null,
    2,
  );
}

/** @throws MeshError `invalid_request` that says what is wrong with the file. */
export function readConversationFile(text: string): Conversation[] {
  if (text.length > MAX_IMPORTED_CHARACTERS) throw refused('it is larger than 256 MB');
  const file = record(parse(text));
  if (file.format !== FORMAT) throw refused('it was not exported by TabMesh');
  if (file.version !== VERSION) throw refused(`its version is ${String(file.version)}, this app reads ${VERSION}`);
  return list(file.conversations).map(readConversation);
}

function readConversation(value: unknown): Conversation {
  const source = record(value);
  const id = string(source.id);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) throw refused('a conversation has no usable id');
  return {
    id,
    title: string(source.title),
    createdAt: date(source.createdAt),
    updatedAt: date(source.updatedAt),
    messages: list(source.messages).map(readMessage),
  };
}

function readMessage(value: unknown): Message {
  const source = record(value);
  const role = source.role;
  if (role !== 'user' && role !== 'assistant') throw refused('a message is by neither the user nor a model');
  return {
    id: string(source.id),
    role,
    content: string(source.content),
    createdAt: date(source.createdAt),
    sender: source.sender === null ? null : peerId(source.sender),
    host: source.host === null ? null : readHost(source.host),
    status: readStatus(source.status),
    // Explanations are for the tab that asked; they are not worth trusting from a file.
    route: null,
    omittedMessages: number(source.omittedMessages ?? 0),
    ...(source.outside === undefined ? {} : { outside: string(source.outside).slice(0, MAX_HOST_CHARACTERS) }),
    ...(source.begunBy === undefined ? {} : { begunBy: list(source.begunBy).map(readBeginner) }),
    ...(source.thoughts === undefined ? {} : { thoughts: readThoughts(source.thoughts) }),
    ...(source.resumable === undefined ? {} : { resumable: readResumable(source.resumable) }),
  };
}

function readHost(value: unknown): Host {
  const source = record(value);
  const model = ModelId.safeParse(source.model);
  if (!model.success) throw refused('a message names a model that cannot exist');
  return {
    peer: source.peer === null ? null : peerId(source.peer),
    peerName: string(source.peerName),
    model: model.data,
    ttftMs: source.ttftMs === null ? null : number(source.ttftMs),
    tokensPerSecond: source.tokensPerSecond === null ? null : number(source.tokensPerSecond),
  };
}

function readBeginner(value: unknown): Beginner {
  const source = record(value);
  return {
    peer: peerId(source.peer),
    peerName: string(source.peerName),
    until: number(source.until),
    sameBuild: source.sameBuild === true,
  };
}

function readResumable(value: unknown): Message['resumable'] {
  const source = record(value);
  const classId = ClassId.safeParse(source.classId);
  if (!classId.success) throw refused('a message names a build of a model that cannot exist');
  return {
    tokenCount: number(source.tokenCount),
    classId: classId.data,
    ...(source.written === undefined ? {} : { written: string(source.written) }),
  };
}

function readThoughts(value: unknown): Thoughts {
  const source = record(value);
  return { text: string(source.text), tookMs: source.tookMs === null ? null : number(source.tookMs) };
}

function readStatus(value: unknown): MessageStatus {
  const source = record(value);
  if (source.state === 'error') {
    const code = MESH_ERROR_CODES.find((known) => known === source.code) ?? 'engine_failed';
    return { state: 'error', code, message: string(source.message) };
  }
  const finish = (['stop', 'length', 'stopped'] as const).find((known) => known === source.finish);
  return { state: 'done', finish: finish ?? 'stopped' };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refused('it is not JSON');
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw refused('a part of it is missing');
  return { ...value };
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw refused('a list in it is missing');
  return value;
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw refused('a text in it is missing');
  return value;
}

function number(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw refused('a number in it is missing');
  return value;
}

function date(value: unknown): string {
  const text = string(value);
  if (Number.isNaN(Date.parse(text))) throw refused('a date in it makes no sense');
  return new Date(text).toISOString();
}

function peerId(value: unknown): PeerId {
  const id = PeerId.safeParse(value);
  if (!id.success) throw refused('a message names a peer that cannot exist');
  return id.data;
}

function refused(reason: string): MeshError {
  return new MeshError(
    'invalid_request',
    `This file can't be imported: ${reason}. Choose a file that was exported on this page.`,
  );
}
