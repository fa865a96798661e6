/** What an asker hears of an engine's failure: one of few codes, whatever failed. */
import { expect, it } from 'vitest';
import { MESH_ERROR_CODES, MeshError } from '../errors.ts';
import type { JobReply } from '../jobs/job-sink.ts';
import { silentLogger } from '../ports/logger.ts';
import { JobId, ModelId } from '../protocol/ids.ts';
import { WIRE_CODE_OF } from '../protocol/wire-errors.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { Provider } from './provider.ts';

it.each(MESH_ERROR_CODES)('WR15: of a failure of code %s a peer tells what every version knows', async (code) => {
  const clock = new ManualClock();
  const provider = new Provider({ clock, logger: silentLogger, onChange: () => {}, onMeasured: () => {} });
  provider.addEngine({
    ...createScriptedEngine({ clock, scenario: 'steady' }),
    // biome-ignore lint/correctness/useYield: it fails before its first token
    async *generate() {
      throw new MeshError(code, 'Something went wrong here.');
    },
  });
  const replies: JobReply[] = [];
  provider.handleStart(
    { isOpen: true, send: (reply) => replies.push(reply), ready: () => undefined },
    {
      type: 'job-start',
      jobId: JobId.parse('00112233445566778899aabbccddeeff'),
      model: ModelId.parse('scripted-model'),
      parameters: { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 9, temperature: 0, topP: 1, stop: [] },
    },
  );
  await clock.advance(1_000);
  // An engine that says `cancelled` by itself was closed.
  const told = code === 'cancelled' ? 'engine_failed' : WIRE_CODE_OF[code];
  expect(replies).toMatchObject([{ type: 'job-error', code: told }]);
});
