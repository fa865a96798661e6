/** Entries of any version, and none. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createIdentity, ModelId, systemRandom } from '@tabmesh/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listedAtEntry } from '../src/peer/listed-at-entry.ts';

const { peerId } = createIdentity(systemRandom);
const model = ModelId.parse('mesh-tiny');
const never = () => new AbortController().signal;

/** An entry that gives each answer once, and the last one for ever. */
async function entryThatAnswers(...answers: readonly RequestListener[]) {
  let asked = 0;
  const server = createServer((request, response) => {
    const answer = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    answer?.(request, response);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { entryUrl: `http://127.0.0.1:${port}/some/path`, asked: () => asked };
}

const json =
  (body: unknown): RequestListener =>
  (request, response) => {
    expect(request.url).toBe('/api/status');
    response.end(JSON.stringify(body));
  };

describe('waiting until the entry lists a model', () => {
  it('NP42: it is listed once the status names the peer with the model, whatever the entry answered before', async () => {
    const { entryUrl, asked } = await entryThatAnswers(
      (request) => request.socket.destroy(),
      (_, response) => response.writeHead(404).end('not found'),
      json({ models: 'another version' }),
      json({ models: [] }),
      json({ models: [{ id: 'mesh-mini', peers: [peerId] }] }),
      json({ models: [{ id: model, peers: ['another-peer'] }] }),
      json({ models: [{ id: model, peers: ['another-peer', peerId] }] }),
    );
    expect(await listedAtEntry({ entryUrl, peerId, model }, never(), never())).toBe(true);
    expect(asked()).toBe(7);
  });

  it('NP42: when the patience is over it is not listed, be the entry silent or wrong', async () => {
    const patience = new AbortController();
    const { entryUrl } = await entryThatAnswers(json({ models: [] }), () => patience.abort());
    expect(await listedAtEntry({ entryUrl, peerId, model }, patience.signal, never())).toBe(false);
  });

  it('NP42: who is told to stop waits no longer', async () => {
    const stop = new AbortController();
    const { entryUrl } = await entryThatAnswers(() => stop.abort());
    await expect(listedAtEntry({ entryUrl, peerId, model }, never(), stop.signal)).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});
