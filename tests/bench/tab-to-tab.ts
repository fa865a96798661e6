/** One tab lends the embedded model, a tab of another profile asks it, against the engine called in its own page. */
import { type Comparison, decodeEfficiency, ttftOverhead } from './peers/efficiency.ts';
import { storyPrompts } from './peers/timed-answers.ts';
import type { Benchmark } from './run/benchmark.ts';
import { startTabs } from './run/tabs.ts';
import type {} from './tab-page/engine/main.ts';

const SLOTS = 4;
const LEAST_EFFICIENCY = 0.9;

export const benchmark: Benchmark = {
  name: 'tab-to-tab',
  describe: 'decode rate from tab to tab in Chromium, against the engine called in its own page',
  async run(context) {
    const { progress, signal } = context;
    const tabs = await startTabs(context, 'engine');
    const lender = await tabs.open();
    const asker = await tabs.open();
    progress('loading mesh-tiny');
    const serving = await lender.evaluate((slots) => window.member.lend(slots), SLOTS);
    await asker.evaluate((peer) => window.member.whenLinked(peer), serving);
    const comparison: Comparison = {
      label: 'mesh-tiny',
      rival: 'engine in its own page',
      throughMesh: (workload) =>
        asker.evaluate(([peer, work]) => window.member.throughMesh(peer, work), [serving, workload] as const),
      direct: (workload) => lender.evaluate((work) => window.member.direct(work), workload),
      signal,
    };
    progress(`answers, 1 at a time (${serving.backend})`);
    const one = await decodeEfficiency(
      comparison,
      { prompts: storyPrompts(1), waves: 1, maxTokens: 64, rounds: 61 },
      LEAST_EFFICIENCY,
    );
    progress('answers, 4 at a time');
    const four = await decodeEfficiency(
      comparison,
      { prompts: storyPrompts(4), waves: 1, maxTokens: 64 },
      LEAST_EFFICIENCY,
    );
    progress('first tokens');
    return [one, four, await ttftOverhead(comparison)];
  },
};
