/** The transport contract over real WebRTC between two Node ends. */
import { setImmediate } from 'node:timers/promises';
import { PeerId } from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import { transportContract } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';

describe('WebRTC in Node', () => {
  for (const { rule, title, run } of transportContract) {
    it(`${rule}: ${title}`, async () => {
      const transport = createNodeTransport();
      await run({
        offerer: transport,
        answerer: transport,
        settle: () => setImmediate(),
      });
    });
  }

  it('TR8: an offerer in Node that is not careful gives its candidates away before it has heard of the other end', async () => {
    const signals: string[] = [];
    const channel = createNodeTransport().open(
      { initiator: true, remote: PeerId.parse('A'.repeat(43)), iceServers: [] },
      { onSignal: (payload) => signals.push(payload), onOpen() {}, onMessage() {}, onDrain() {}, onClose() {} },
    );
    const types = () => new Set(signals.map((payload) => JSON.parse(payload).type));
    while (types().size < 2) await setImmediate();
    expect(types()).toEqual(new Set(['offer', 'candidate']));
    channel.close();
  });
});
