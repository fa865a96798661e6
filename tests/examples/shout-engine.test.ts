import { describeEngineContract } from '@tabmesh/shared/testing/vitest';
import { createShoutEngine } from './shout-engine.ts';

describeEngineContract('shout', () => ({
  engine: createShoutEngine(),
  longPrompt: 'say twelve words or more so that there is something to cut off here',
  prompts: ['one word after the other', 'something else'],
}));
