/** A job that waits for a slot, seen from the end that asked. */
import { expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import { silentLogger } from '../ports/logger.ts';
import { JobId } from '../protocol/ids.ts';
import { Provider } from '../providing/provider.ts';
import { Requester } from '../requesting/requester.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { createLocalLine } from './local-line.ts';

it('PR30: whoever waits for a slow engine is either told that it is busy, or answered; the peer is not lost', async () => {
  const clock = new ManualClock();
  const provider = new Provider({ clock, logger: silentLogger, onChange() {}, onMeasured() {} });
  const requester = new Requester({ clock });
  const self = createIdentity(createSeededRandom(4)).peerId;
  const line = createLocalLine({ self, provider, requester });
  // 0.8 tokens a second: what the capacity tier asks for.
  const engine = createScriptedEngine({ clock, scenario: 'slow', slots: 1, tokens: 100, tokenIntervalMs: 1_250 });
  provider.addEngine(engine);
  const outcomes: string[] = [];
  const ask = async (jobId: JobId) => {
    const parameters = {
      messages: [{ role: 'user' as const, content: 'Hi' }],
      maxTokens: 100,
      temperature: 0,
      topP: 1,
    };
    const job = { jobId, model: engine.model.id, parameters: { ...parameters, stop: [] } };
    try {
      for await (const event of requester.run(line, job, new AbortController().signal)) {
        if (event.type === 'end') outcomes.push('answered');
      }
    } catch (error) {
      outcomes.push((error as { code: string }).code);
    }
  };
  const jobIds = Array.from({ length: 4 }, (_, index) => JobId.parse(index.toString(16).padStart(32, '0')));
  // The first one teaches the provider how long its answers take.
  void ask(jobIds[0] as JobId);
  await clock.advance(300_000);
  for (const jobId of jobIds.slice(1)) void ask(jobId);
  await clock.advance(1_000_000);
  expect(outcomes).toHaveLength(4);
  expect(outcomes.filter((outcome) => outcome !== 'answered' && outcome !== 'peer_busy')).toEqual([]);
});
