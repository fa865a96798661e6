import { describe, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { transportContract } from './transport-contract.ts';
import { VirtualNetwork } from './virtual-network.ts';

describe('the virtual transport', () => {
  for (const { rule, title, run } of transportContract) {
    it(`${rule}: ${title}`, async () => {
      const clock = new ManualClock();
      const network = new VirtualNetwork(clock);
      await run({
        offerer: network.join('alice').transports[0],
        answerer: network.join('bob').transports[0],
        settle: () => clock.advance(1),
      });
    });
  }
});
