/** An engine behind OpenAI's API that costs next to nothing: every answer was written before it was asked for. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerCalls } from '../run/answer-calls.ts';
import { INSTANT_MODEL, INSTANT_TOKENS, INSTANT_USAGE } from './instant-engine.ts';

export type StubEngineCalls = {
  /** The address that ends in `/v1`. */
  start(): Promise<string>;
};

const HEAD = { id: 'chatcmpl-stub', created: 1_700_000_000, model: INSTANT_MODEL };
const WHOLE = JSON.stringify({
  ...HEAD,
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: INSTANT_TOKENS.join(''), refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: INSTANT_USAGE.promptTokens,
    completion_tokens: INSTANT_USAGE.completionTokens,
    total_tokens: INSTANT_USAGE.promptTokens + INSTANT_USAGE.completionTokens,
  },
});
const CHUNKS = [
  chunk({ role: 'assistant', content: '', refusal: null }, null),
  ...INSTANT_TOKENS.map((content) => chunk({ content }, null)),
  chunk({}, 'stop'),
  'data: [DONE]\n\n',
];

answerCalls<StubEngineCalls>({
  start() {
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (part: string) => {
        body += part;
      });
      request.on('end', () => {
        if (JSON.parse(body).stream === true) {
          response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
          for (const text of CHUNKS) response.write(text);
          response.end();
        } else {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(WHOLE) });
          response.end(WHOLE);
        }
      });
    });
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
      });
    });
  },
});

function chunk(delta: object, finishReason: 'stop' | null): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', choices })}\n\n`;
}
