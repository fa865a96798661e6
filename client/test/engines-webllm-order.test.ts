import type { ChatMessage } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { toWebllmChat } from '../src/engines/webllm/webllm-request.ts';

const ordered = (...said: readonly string[]) => {
  const messages = said.map((one): ChatMessage => {
    const [role, content = ''] = one.split(': ');
    return { role: role as ChatMessage['role'], content };
  });
  const { messages: told } = toWebllmChat({ messages, maxTokens: 1, temperature: 0, topP: 1, stop: [] });
  return told.map(({ role, content }) => `${role}: ${content}`);
};

describe('a history for WebLLM', () => {
  it.each([
    [
      ['system: A', 'system: B', 'user: C'],
      ['system: A\n\nB', 'user: C'],
    ],
    [['system: A'], ['system: A', 'user: ']],
    [
      ['user: A', 'system: B', 'user: C', 'assistant: D'],
      ['user: A\n\nB\n\nC', 'assistant: D', 'user: '],
    ],
    [['assistant: A'], ['user: ', 'assistant: A', 'user: ']],
    [['tool: A'], ['user: ', 'user: A']],
  ])('EN154: %j is put in order', (said, told) => {
    expect(ordered(...said)).toEqual(told);
  });

  it('EN151: what WebLLM takes stays as it is', () => {
    const said = ['system: A', 'user: B', 'user: C'];
    expect(ordered(...said)).toEqual(said);
  });
});
