/** A native peer in a process of its own that serves the stamping engine; and the same stamps by plain HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerCalls } from '../run/answer-calls.ts';
import type { Serving } from './bench-mesh.ts';
import { joinFromNode } from './node-mesh.ts';
import { type Beat, createStampingEngine, stamps } from './stamping.ts';

export type StampingProviderCalls = {
  serve(options: { url: string; beat: Beat; slots: number }): Serving;
  /** The address of an endpoint that streams the stamps without a mesh. */
  listen(beat: Beat): Promise<string>;
};

answerCalls<StampingProviderCalls>({
  serve({ url, beat, slots }) {
    const engine = createStampingEngine(beat, slots);
    const mesh = joinFromNode(url, 'native');
    mesh.addEngine(engine);
    return { peerId: mesh.peerId, model: engine.model.id, backend: engine.model.backend };
  },
  listen(beat) {
    const server = createServer(async (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for await (const content of stamps(beat)) {
        response.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`);
      }
      response.end('data: [DONE]\n\n');
    });
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
    });
  },
});
