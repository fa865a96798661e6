/** The gateway of `@portkey-ai/gateway` in a process of its own, at its fastest: no console, no log of requests. */
import { createServer } from 'node:net';
import { answerCalls } from '../run/answer-calls.ts';

export type PortkeyCalls = {
  /** The address that ends in `/v1`. */
  start(): Promise<string>;
};

answerCalls<PortkeyCalls>({
  async start() {
    const port = await freePort();
    process.env.NODE_ENV = 'production';
    process.argv.push(`--port=${port}`, '--headless');
    // It draws a spinner for a second and clears the screen.
    process.stdout.write = () => true;
    globalThis.fetch = withOwnHeaders(globalThis.fetch);
    // A variable, because the package has no types.
    const program = '@portkey-ai/gateway/build/start-server.js';
    await import(program);
    return `http://127.0.0.1:${port}/v1`;
  },
});

/**
 * It writes to the headers of the stream that it fetched, which fails with the `@hono/node-server` that npm installs for it
 * (Portkey-AI/gateway#1389). A copy of them costs some microseconds; without it there is no stream to compare.
 */
function withOwnHeaders(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (...request) => {
    const response = await fetch(...request);
    if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
      Object.defineProperty(response, 'headers', { value: new Headers(response.headers) });
    }
    return response;
  };
}

/** It does not tell which port it got, so it has to be told one. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
