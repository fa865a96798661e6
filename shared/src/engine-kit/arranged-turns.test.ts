/** Histories as clients send them, for templates as strict as those of real models. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatMessage } from '../protocol/messages.ts';
import { arrangedTurns, inTurns } from './arranged-turns.ts';
import { createChatTemplate } from './chat-template.ts';

const ALTERNATE =
  "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}";
const TURN = '[{{ m.role }}]{{ m.content | trim }}';

/** As each kind of model has it. */
const TEMPLATES = {
  /** Gemma's: no system role, turns. */
  gemma:
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" +
    `{% for m in messages %}${ALTERNATE}${TURN}{% endfor %}[assistant]`,
  /** Mistral's: a system message in front, turns, and no other role. */
  mistral:
    "{% if messages[0].role == 'system' %}[system]{{ messages[0].content }}{% set rest = messages[1:] %}" +
    '{% else %}{% set rest = messages %}{% endif %}' +
    "{% for m in rest %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('Only user and assistant roles') }}" +
    `{% endif %}${ALTERNATE}${TURN}{% endfor %}[assistant]`,
  /** Mistral's first: the system's words are part of the last question, and get lost without one. */
  quiet:
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set rest = messages[1:] %}" +
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}" +
    `{% for m in rest %}${ALTERNATE}[{{ m.role }}]{% if loop.last and m.role == 'user' %}{{ system }} {% endif %}` +
    '{{ m.content }}{% endfor %}[assistant]',
  /** Qwen 3.5's: the system first, and a question somewhere. */
  qwen:
    "{% set found = namespace(user=false) %}{% for m in messages %}{% if m.role == 'user' %}{% set found.user = true %}" +
    "{% endif %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('System message must be at the beginning.') }}" +
    "{% endif %}{% endfor %}{% if not found.user %}{{ raise_exception('No user query found in messages.') }}{% endif %}" +
    `{% for m in messages %}${TURN}{% endfor %}[assistant]`,
  /** One that wants the last word to be the user's, and passes over roles that it doesn't know. */
  last:
    "{% if messages[-1].role != 'user' %}{{ raise_exception('the last message must be from user') }}{% endif %}" +
    `{% for m in messages %}{% if m.role in ['user', 'assistant'] %}${TURN}{% endif %}{% endfor %}[assistant]`,
};
const names = Object.keys(TEMPLATES) as (keyof typeof TEMPLATES)[];
const templateOf = (name: keyof typeof TEMPLATES) => createChatTemplate(TEMPLATES[name], { bosText: '', eosText: '' });

const message = (said: string): ChatMessage => {
  const [role, content = ''] = said.split(': ');
  return { role: role as ChatMessage['role'], content };
};
const history = (...said: readonly string[]) => said.map(message);

describe('a history for a strict template', () => {
  it.each([
    [['system: A', 'system: B', 'user: C'], '[user]A\n\nB\n\nC[assistant]', '[system]A\n\nB[user]C[assistant]'],
    [['user: A', 'user: B'], '[user]A\n\nB[assistant]', '[user]A\n\nB[assistant]'],
    [['system: A'], '[user]A[assistant]', '[system]A[assistant]'],
    [['assistant: A', 'user: B'], '[user][assistant]A[user]B[assistant]', '[user][assistant]A[user]B[assistant]'],
    [
      ['system: S', 'assistant: A', 'user: B'],
      '[user]S[assistant]A[user]B[assistant]',
      '[system]S[user][assistant]A[user]B[assistant]',
    ],
    [['user: A', 'assistant: B'], '[user]A[assistant]B[assistant]', '[user]A[assistant]B[assistant]'],
    [['tool: A'], '[user][tool]A[assistant]', '[user]A[assistant]'],
    [
      ['user: A', 'assistant: B', 'tool: C', 'tool: D'],
      '[user]A[assistant]B[user]C\n\nD[assistant]',
      '[user]A[assistant]B[user]C\n\nD[assistant]',
    ],
    [
      ['user: A', 'assistant: B', 'assistant: C', 'user: D'],
      '[user]A[assistant]B\n\nC[user]D[assistant]',
      '[user]A[assistant]B\n\nC[user]D[assistant]',
    ],
    [['user: ', 'user: ', 'user: A'], '[user]A[assistant]', '[user]A[assistant]'],
    [
      ['user: A', 'system: S', 'assistant: B', 'user: C'],
      '[user]A\n\nS[assistant]B[user]C[assistant]',
      '[user]A\n\nS[assistant]B[user]C[assistant]',
    ],
  ])('EN150: %j is arranged in turns', (said, gemma, mistral) => {
    expect(templateOf('gemma')(history(...said))).toBe(gemma);
    expect(templateOf('mistral')(history(...said))).toBe(mistral);
  });

  it('EN151: a history that the template takes is left as it is', () => {
    const lenient = createChatTemplate(`{% for m in messages %}${TURN}{% endfor %}`, { bosText: '', eosText: '' });
    expect(lenient(history('system: A', 'system: B', 'user: C', 'user: D', 'system: E'))).toBe(
      '[system]A[system]B[user]C[user]D[system]E',
    );
    expect(templateOf('qwen')(history('system: A', 'user: B', 'user: C'))).toBe('[system]A[user]B[user]C[assistant]');
  });

  it('EN152: what a template would pass over without a word is arranged too', () => {
    expect(templateOf('quiet')(history('system: A'))).toBe('[user]A [assistant]');
    expect(templateOf('quiet')(history('system: A', 'user: B'))).toBe('[user]A B[assistant]');
    expect(templateOf('last')(history('system: A', 'user: B'))).toBe('[user]A\n\nB[assistant]');
    expect(templateOf('last')(history('user: A', 'assistant: B'))).toBe('[user]A[assistant]B[user][assistant]');
  });

  it('EN152: a template that writes none of the messages stays with its own way', () => {
    const deaf = createChatTemplate('[assistant]', { bosText: '', eosText: '' });
    expect(deaf(history('system: A', 'user: B'))).toBe('[assistant]');
  });

  it('EN150: no order of roles whatever is refused, and every word of it is told', () => {
    const conversation = fc.array(
      fc.record({
        role: fc.constantFrom<ChatMessage['role']>('system', 'user', 'assistant', 'tool'),
        content: fc.constantFrom('', 'one', 'two', 'three'),
      }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(conversation, fc.constantFrom(...names), (messages, name) => {
        const told = templateOf(name)(messages.map((said, at) => ({ ...said, content: `${said.content}${at}` })));
        const places = messages.map(({ content }, at) => told.indexOf(`${content}${at}`));
        expect(places).not.toContain(-1);
      }),
    );
  });

  it('EN153: a history is arranged in time that grows with its length', () => {
    const long = Array.from({ length: 10_000 }, (_, at) =>
      message(`${at % 3 === 0 ? 'system' : 'user'}: ${'a'.repeat(90)}`),
    );
    expect(inTurns(long)).toHaveLength(2);
    expect([...arrangedTurns(long)].length).toBeLessThanOrEqual(8);
  });
});
