/** The stream contract over real WebRTC between two Node ends. */
import { systemClock, systemRandom } from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import { createStreamHost, openLinkPair, streamContract } from '@tabmesh/shared/testing';
import { describe, it } from 'vitest';

/** libdatachannel loses a connect now and then; links redial, this pair has to. */
const ATTEMPTS = 5;

async function openPair() {
  for (let attempt = 1; ; attempt += 1) {
    const transport = createNodeTransport();
    const pair = openLinkPair({
      transports: [transport, transport],
      clock: systemClock,
      random: systemRandom,
      ...createStreamHost(),
    });
    try {
      await pair.near.opened;
      return pair;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

describe('byte streams over WebRTC in Node', () => {
  for (const { rule, title, run } of streamContract) {
    it(`${rule}: ${title}`, async () => {
      const { near } = await openPair();
      await run({ link: near.link, heard: near.heard, settled: (promise) => promise });
      await near.link.close('done');
    });
  }
});
