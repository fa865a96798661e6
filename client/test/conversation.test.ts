import { PeerId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import {
  asRead,
  groupByDay,
  type Message,
  pendingAnswer,
  promptOf,
  titleOf,
  userMessage,
} from '../src/conversations/conversation.ts';

const now = new Date(2026, 10, 20, 15, 0);
const alice = PeerId.parse(`${'a'.repeat(42)}A`);

describe('the title of a conversation', () => {
  it('UI1: is the first line that was asked, without markup', () => {
    expect(titleOf('\n## What *does* the `router` measure?\nPlease.')).toBe('What does the router measure?');
  });

  it('UI1: is cut at a word', () => {
    expect(titleOf('Explain to me in great detail how a mesh of browser tabs works')).toBe(
      'Explain to me in great detail how a mesh of…',
    );
  });

  it('UI1: is cut inside a word that has no end, without breaking a character', () => {
    expect(titleOf('🦊'.repeat(80))).toBe(`${'🦊'.repeat(48)}…`);
  });

  it('UI1: says New chat when there is nothing to say', () => {
    expect(titleOf(' \n ** ')).toBe('New chat');
  });
});

describe('the sidebar', () => {
  const head = (id: string, updatedAt: Date) => ({
    id,
    title: id,
    createdAt: updatedAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  });

  it('UI2: groups by day, newest first', () => {
    const groups = groupByDay(
      [
        head('last-night', new Date(2026, 10, 19, 23, 59)),
        head('may', new Date(2026, 4, 3)),
        head('morning', new Date(2026, 10, 20, 0, 1)),
        head('monday', new Date(2026, 10, 16, 12, 0)),
        head('noon', new Date(2026, 10, 20, 12, 0)),
      ],
      now,
    );
    expect(groups.map(({ label, heads }) => [label, heads.map(({ id }) => id)])).toEqual([
      ['Today', ['noon', 'morning']],
      ['Yesterday', ['last-night']],
      ['Monday', ['monday']],
      ['May 2026', ['may']],
    ]);
  });

  it('UI2: takes a conversation from a clock that runs ahead for one of today', () => {
    expect(groupByDay([head('ahead', new Date(2026, 10, 21))], now)[0]?.label).toBe('Today');
  });
});

describe('the prompt of an answer', () => {
  const turns: Message[] = [
    userMessage('1', 'one', alice, now),
    { ...pendingAnswer('2', now), content: 'eins' },
    userMessage('3', 'two', alice, now),
    { ...pendingAnswer('4', now), content: '' },
    userMessage('5', 'three', alice, now),
  ];

  it('UI3: holds what was said, and no answer that failed before its first word', () => {
    expect(promptOf(turns, 0)).toEqual({
      messages: [
        { role: 'user', content: 'one' },
        { role: 'assistant', content: 'eins' },
        { role: 'user', content: 'two' },
        { role: 'user', content: 'three' },
      ],
      omitted: 0,
    });
  });

  it('UI3: never begins with an answer when the oldest messages are left out', () => {
    expect(promptOf(turns, 1)).toEqual({
      messages: [
        { role: 'user', content: 'two' },
        { role: 'user', content: 'three' },
      ],
      omitted: 2,
    });
  });

  it('UI3: always keeps the last question', () => {
    expect(promptOf(turns, 99)).toEqual({ messages: [{ role: 'user', content: 'three' }], omitted: 3 });
  });
});

describe('a conversation that is read again', () => {
  it('UI4: shows an answer whose page closed as cut off, with what it had', () => {
    const read = asRead({ ...pendingAnswer('1', now), content: 'It measures' });
    expect(read.content).toBe('It measures');
    expect(read.status).toMatchObject({ state: 'error', code: 'cancelled' });
  });

  it('UI4: leaves settled messages as they are', () => {
    const message = userMessage('1', 'one', alice, now);
    expect(asRead(message)).toBe(message);
  });
});
