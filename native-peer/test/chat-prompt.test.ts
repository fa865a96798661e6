/** Messages to tokens, with a vocabulary in which every character is a token. */

import type { PromptBound } from '@tabmesh/shared/prompt-bound';
import type { Token } from 'node-llama-cpp';
import { describe, expect, it } from 'vitest';
import { createChatPrompt, type Vocabulary } from '../src/llama/prompts/chat-prompt.ts';

const BOS = 1 as Token;
const vocabulary: Vocabulary = {
  tokenize: (text) => [...text].map((character) => (character.codePointAt(0) ?? 0) as Token),
  bosToken: undefined,
  bosText: '<s>',
  eosText: '</s>',
  controlTexts: ['<s>', '</s>', '<|im_start|>', '<|im_end|>'],
};
const ROOMY: PromptBound = { contextTokens: 1000, floor: () => 0, perMessageTokens: 0, slack: 1 };
const textOf = (tokens: readonly Token[]) => String.fromCodePoint(...tokens);

describe('chat prompt', () => {
  it('NP13: a file without a template gets ChatML', () => {
    const prompt = createChatPrompt('', vocabulary, ROOMY);
    expect(textOf(prompt([{ role: 'user', content: 'Hi' }]))).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('NP14: a beginning-of-text token comes once, whether the template writes it or not', () => {
    const withBos = { ...vocabulary, bosToken: BOS };
    const writing = createChatPrompt('{{ bos_token }}{{ messages[0].content }}', withBos, ROOMY);
    const silent = createChatPrompt('{{ messages[0].content }}', withBos, ROOMY);
    for (const prompt of [writing, silent]) {
      const [first, ...rest] = prompt([{ role: 'user', content: 'Hi' }]);
      expect(first).toBe(BOS);
      expect(textOf(rest)).toBe('Hi');
    }
  });

  it('NP15: a template that knows no system role gets the system text with the first user message', () => {
    const source =
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}" +
      '[{{ m.role }}]{{ m.content }}{% endfor %}';
    const prompt = createChatPrompt(source, vocabulary, ROOMY);
    const tokens = prompt([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Hi' },
    ]);
    expect(textOf(tokens)).toBe('[user]Be kind.\n\nHi');
  });

  it('NP16: messages that the template refuses are an invalid_request that quotes it', () => {
    const prompt = createChatPrompt("{{ raise_exception('roles must alternate') }}", vocabulary, ROOMY);
    expect(() => prompt([{ role: 'user', content: 'Hi' }])).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('roles must alternate') }),
    );
  });

  it('NP17: a template that is no template is a model_invalid', () => {
    expect(() => createChatPrompt('{% for %}', vocabulary, ROOMY)).toThrow(
      expect.objectContaining({ code: 'model_invalid' }),
    );
  });
});
