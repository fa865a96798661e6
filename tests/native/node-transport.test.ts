/** The transport contract over real WebRTC between two Node ends. */
import { setImmediate } from 'node:timers/promises';
import { createNodeTransport } from '@tabmesh/shared/node';
import { transportContract } from '@tabmesh/shared/testing';
import { describe, it } from 'vitest';

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
});
