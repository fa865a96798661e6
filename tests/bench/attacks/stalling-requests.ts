/** Requests whose size a stranger chose so that a peer would work on them for long, one of each kind. */
import type { ChatMessage, GenerationRequest } from '@tabmesh/shared';

export interface StallingRequest {
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly more?: Partial<GenerationRequest>;
  /** Texts to embed instead. */
  readonly inputs?: readonly string[];
}

const user = (content: string): ChatMessage => ({ role: 'user', content });
const breaks = '\n'.repeat(480_000);
const optional = Object.fromEntries(Array.from({ length: 1_900 }, (_, index) => [`p${index}`, true]));

export const STALLING_REQUESTS: readonly StallingRequest[] = [
  { name: '480,000 line breaks', messages: [user(`a${breaks}b`)] },
  { name: '300,000 Chinese characters', messages: [user('好'.repeat(300_000))] },
  { name: '8,000 of them, read at once', messages: [user('好'.repeat(8_000))] },
  {
    name: '480,000 line breaks in a thought',
    messages: [user('a'), { role: 'assistant', content: breaks }, user('b')],
  },
  {
    name: '10,000 messages of a letter',
    messages: Array.from({ length: 10_000 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: 'a',
    })),
  },
  { name: '40,000 control tokens', messages: [user('<|im_start|>'.repeat(40_000))] },
  {
    name: 'a beginning of 480,000 line breaks',
    messages: [user('a')],
    more: { continues: { text: breaks, tokenCount: 1 } },
  },
  { name: '16 texts of 60,000 line breaks to embed', messages: [], inputs: Array(16).fill('\n'.repeat(60_000)) },
  {
    name: 'a schema of 1,900 optional properties',
    messages: [user('a')],
    more: { responseFormat: { type: 'json_schema', schema: { type: 'object', properties: optional } } },
  },
  {
    name: 'begun JSON of 800 tokens',
    messages: [user('a')],
    more: {
      responseFormat: { type: 'json_schema', schema: { type: 'array', items: true } },
      continues: { text: `[${'1,'.repeat(400)}`, tokenCount: 800 },
    },
  },
  {
    name: '16 stop strings of 1,024 letters',
    messages: [user('a')],
    more: { stop: Array.from({ length: 16 }, (_, index) => `${'a'.repeat(1_023)}${index.toString(16)}`) },
  },
];
