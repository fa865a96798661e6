/**
 * What the mesh costs: the same engine asked over WebRTC from another process and called in its own, round by round in
 * turn. At a chat speed and at one that no chat needs, one answer at a time and four.
 */
import { join } from 'node:path';
import { startBenchEntry } from './peers/bench-entry.ts';
import { whenLinked } from './peers/bench-mesh.ts';
import { type Comparison, decodeEfficiency, ttftOverhead } from './peers/efficiency.ts';
import type { ProviderCalls } from './peers/provider-process.ts';
import { storyPrompts, timeMesh, type Workload } from './peers/timed-answers.ts';
import { megabytes, randomModel } from './random-model/random-model.ts';
import type { BenchContext, Benchmark, Result } from './run/benchmark.ts';

const SLOTS = 4;
const MOST_TTFT_OVERHEAD_MS = 5;

interface Subject {
  readonly label: string;
  readonly file: string;
  readonly leastEfficiency: number;
  /** Per concurrency; half a second or so each. */
  readonly decode: readonly Workload[];
}

export const benchmark: Benchmark = {
  name: 'mesh-efficiency',
  describe: 'decode rate and time to first token through the mesh, against the engine called in its own process',
  async run(context) {
    const results: Result[] = [];
    for (const subject of subjects(context)) results.push(...(await measure(context, subject)));
    return results;
  },
};

function subjects({ root, progress }: BenchContext): Subject[] {
  const tiny = join(root, 'shared/models/mesh-tiny.gguf');
  progress('writing a random model, unless the temporary directory has it');
  const random = randomModel(tiny);
  return [
    {
      label: `random ${megabytes(random)} MB`,
      file: random,
      leastEfficiency: 0.98,
      decode: [
        { prompts: storyPrompts(1), waves: 1, maxTokens: 24, rounds: 75 },
        // As long as a short chat answer: four that begin together are out of step for one batch, which is a sixteenth
        // of 16 tokens.
        { prompts: storyPrompts(4), waves: 1, maxTokens: 64, rounds: 11 },
      ],
    },
    {
      label: 'mesh-tiny',
      file: tiny,
      leastEfficiency: 0.85,
      decode: [
        { prompts: storyPrompts(1), waves: 2, maxTokens: 64, rounds: 61 },
        { prompts: storyPrompts(4), waves: 2, maxTokens: 64 },
      ],
    },
  ];
}

async function measure(context: BenchContext, subject: Subject): Promise<Result[]> {
  const { signal, progress, children } = context;
  const { label, file, leastEfficiency } = subject;
  const entry = await startBenchEntry();
  context.onEnd(() => entry.close());
  const provider = await children.start<ProviderCalls>(new URL('./peers/provider-process.ts', import.meta.url));
  progress(`${label}: loading`);
  const serving = await provider.call('serve', { url: entry.url, file, slots: SLOTS });
  await whenLinked(entry.mesh, serving, signal);
  const comparison: Comparison = {
    label,
    rival: 'engine in its own process',
    throughMesh: (workload) => timeMesh(entry.mesh, serving.model, workload, signal),
    direct: (workload) => provider.call('direct', workload),
    signal,
  };
  const results: Result[] = [];
  for (const workload of subject.decode) {
    progress(`${label} on ${serving.backend}: answers, ${workload.prompts.length} at a time`);
    results.push(await decodeEfficiency(comparison, workload, leastEfficiency));
  }
  progress(`${label}: first tokens`);
  results.push(await ttftOverhead(comparison, MOST_TTFT_OVERHEAD_MS));
  await provider.close();
  return results;
}
