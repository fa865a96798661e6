import { ClassId, MeshError, ModelId, PeerId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import type { Conversation } from '../src/conversations/conversation.ts';
import { readConversationFile, writeConversationFile } from '../src/conversations/conversation-file.ts';

const at = '2026-11-20T10:00:00.000Z';
const alice = PeerId.parse(`${'a'.repeat(42)}A`);
const conversation: Conversation = {
  id: 'abc',
  title: 'Router',
  createdAt: at,
  updatedAt: at,
  messages: [
    {
      id: '1',
      role: 'user',
      content: 'What does the router measure?',
      createdAt: at,
      sender: alice,
      host: null,
      status: { state: 'done', finish: 'stop' },
      route: null,
      omittedMessages: 0,
    },
    {
      id: '2',
      role: 'assistant',
      content: 'The round trip.',
      createdAt: at,
      sender: alice,
      host: {
        peer: alice,
        peerName: 'quiet-rowan',
        model: ModelId.parse('mesh-tiny'),
        ttftMs: 84,
        tokensPerSecond: null,
      },
      status: { state: 'error', code: 'peer_lost', message: 'Gone.' },
      route: null,
      omittedMessages: 2,
      begunBy: [{ peer: PeerId.parse(`${'b'.repeat(42)}A`), peerName: 'amber-finch', until: 4, sameBuild: false }],
      thoughts: { text: 'Hm.', tookMs: 1_200 },
      resumable: {
        tokenCount: 4,
        classId: ClassId.parse('c'.repeat(32)),
        written: '<think>Hm.</think>The round trip.',
      },
    },
  ],
};
const file = writeConversationFile([conversation], new Date(at));

function refusal(text: string): string {
  try {
    readConversationFile(text);
  } catch (error) {
    if (MeshError.is(error, 'invalid_request')) return error.message;
    throw error;
  }
  return 'was read';
}

describe('the conversation file', () => {
  it('UI39: brings back what was exported', () => {
    expect(readConversationFile(file)).toEqual([conversation]);
  });

  it('TH21: thoughts come back, and what is none is refused', () => {
    expect(readConversationFile(file)[0]?.messages[1]?.thoughts).toEqual({ text: 'Hm.', tookMs: 1_200 });
    expect(refusal(file.replace('"tookMs": 1200', '"tookMs": "long"'))).toMatch(/number in it is missing/);
    expect(refusal(file.replace('"text": "Hm."', '"text": ["Hm."]'))).toMatch(/text in it is missing/);
    const unfinished = readConversationFile(file.replace('"tookMs": 1200', '"tookMs": null'));
    expect(unfinished[0]?.messages[1]?.thoughts?.tookMs).toBeNull();
  });

  it('OP6: an answer from outside the mesh comes back as one', () => {
    const [, answer] = conversation.messages;
    if (answer?.host == null) throw new Error('The example lost its answer.');
    const outside: Conversation = {
      ...conversation,
      messages: [
        {
          ...answer,
          sender: null,
          outside: 'api.example.com',
          host: { ...answer.host, peer: null, peerName: 'api.example.com' },
        },
      ],
    };
    expect(readConversationFile(writeConversationFile([outside], new Date(at)))).toEqual([outside]);
  });

  it.each([
    ['no JSON', '{', 'it is not JSON'],
    ['other JSON', '[]', 'it was not exported by TabMesh'],
    ['null', 'null', 'a part of it is missing'],
    ['a later version', file.replace('"version": 1', '"version": 2'), 'its version is 2'],
    ['an id that is a path', file.replace('"abc"', '"../x"'), 'no usable id'],
    ['an unknown role', file.replace('"user"', '"system"'), 'neither the user nor a model'],
    ['a peer that cannot exist', file.replaceAll(alice, 'me'), 'a peer that cannot exist'],
    ['a date that is none', file.replaceAll(at, 'soon'), 'a date in it makes no sense'],
    ['a figure that is text', file.replace('84', '"fast"'), 'a number in it is missing'],
  ])('UI40: refuses %s with the reason and what to do', (_what, text, reason) => {
    expect(refusal(text)).toContain(reason);
    expect(refusal(text)).toContain('Choose a file that was exported on this page.');
  });
});
