/** What a conversation need not read again: its earlier turns, a system message that others share, and what is forgotten. */
import { join } from 'node:path';
import type { ChatMessage, Mesh, ModelId } from '@tabmesh/shared';
import { startBenchEntry } from './peers/bench-entry.ts';
import { whenLinked } from './peers/bench-mesh.ts';
import { longPrompt } from './peers/prefill-pauses.ts';
import type { ProviderCalls } from './peers/provider-process.ts';
import { randomModel } from './random-model/random-model.ts';
import { type BenchContext, type Benchmark, type Result, toResult } from './run/benchmark.ts';
import { median } from './run/statistics.ts';

const SLOTS = 4;
const CONTEXT_TOKENS = 2_560;
const CONVERSATION_TOKENS = 2_000;
const SYSTEM_TOKENS = 1_500;
const SMALL_TOKENS = 250;
const ROUNDS = 5;
const TURNS = 4;
const MOST_OF_FIRST = 0.1;

export const benchmark: Benchmark = {
  name: 'prefix',
  describe: 'first tokens of later turns, behind a shared system message, and of more conversations than slots',
  async run(context) {
    const { root, children, progress, signal, onEnd } = context;
    progress('writing a random model, unless the temporary directory has it');
    const file = randomModel(join(root, 'shared/models/mesh-tiny.gguf'));
    const entry = await startBenchEntry();
    onEnd(() => entry.close());
    const provider = await children.start<ProviderCalls>(new URL('./peers/provider-process.ts', import.meta.url));
    const options = { url: entry.url, file, slots: SLOTS, contextTokens: CONTEXT_TOKENS };
    const serving = await provider.call('serve', options);
    await whenLinked(entry.mesh, serving, signal);
    const asker: Asker = { mesh: entry.mesh, model: serving.model, signal };
    return [
      ...(await laterTurns(context, asker)),
      ...(await sharedSystemMessages(context, asker)),
      ...(await manyConversations(context, asker)),
    ];
  },
};

interface Asker {
  readonly mesh: Mesh;
  readonly model: ModelId;
  readonly signal: AbortSignal;
}

async function laterTurns({ progress, signal }: BenchContext, asker: Asker): Promise<Result[]> {
  const first: Turn[] = [];
  const second: Turn[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    progress(`a conversation of ${CONVERSATION_TOKENS} tokens, ${round + 1} of ${ROUNDS}`);
    const conversation = new Conversation(asker);
    first.push(await conversation.say(longPrompt(`Conversation ${round}`, CONVERSATION_TOKENS)));
    second.push(await conversation.say('Thank you. What is a mesh?'));
  }
  const tokens = Math.min(...first.map(({ promptTokens }) => promptTokens)).toLocaleString('en');
  return [
    against(`first token of the second turn behind ${tokens} tokens`, second, 'of the first turn', first),
    toResult({
      name: 'tokens of the second turn that are read anew',
      value: median(second.map(evaluated)),
      unit: 'tokens',
      rival: { name: 'of the first turn', value: median(first.map(evaluated)) },
      target: { of: 'ratio', bound: 'at most', limit: MOST_OF_FIRST },
    }),
  ];
}

async function sharedSystemMessages({ progress, signal }: BenchContext, asker: Asker): Promise<Result[]> {
  const shared: Turn[] = [];
  const others: Turn[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    progress(`a system message of ${SYSTEM_TOKENS} tokens, ${round + 1} of ${ROUNDS}`);
    const system = longPrompt(`System ${round}`, SYSTEM_TOKENS);
    others.push(await new Conversation(asker, system).say('Count to five.'));
    shared.push(await new Conversation(asker, system).say('What is a mesh?'));
  }
  return [
    against(
      `first token behind a system message of ${SYSTEM_TOKENS} tokens that another conversation has`,
      shared,
      'behind a new one',
      others,
    ),
  ];
}

/** In turn, so that with more conversations than slots each is back when it has just been forgotten: the worst order. */
async function manyConversations({ progress, signal }: BenchContext, asker: Asker): Promise<Result[]> {
  const cachedShares = async (count: number, name: string) => {
    progress(`${count} conversations on ${SLOTS} slots`);
    const conversations = Array.from({ length: count }, () => new Conversation(asker));
    const turns: Turn[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      for (const [index, conversation] of conversations.entries()) {
        signal.throwIfAborted();
        const said = await conversation.say(longPrompt(`${name} ${index}, turn ${turn}`, SMALL_TOKENS));
        if (turn > 0) turns.push(said);
      }
    }
    return { share: 100 * median(turns.map(cachedShare)), ttftMs: median(turns.map(({ ttftMs }) => ttftMs)) };
  };
  const few = await cachedShares(SLOTS, 'few');
  const many = await cachedShares(SLOTS + 2, 'many');
  const rival = `${SLOTS} conversations`;
  const name = `${SLOTS + 2} conversations in turn on ${SLOTS} slots`;
  return [
    toResult({
      name: `${name}: known of a later turn`,
      value: many.share,
      unit: '%',
      rival: { name: rival, value: few.share },
    }),
    toResult({
      name: `${name}: its first token`,
      value: many.ttftMs,
      unit: 'ms',
      rival: { name: rival, value: few.ttftMs },
    }),
  ];
}

interface Turn {
  readonly ttftMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

class Conversation {
  readonly #asker: Asker;
  readonly #messages: ChatMessage[] = [];

  constructor(asker: Asker, system?: string) {
    this.#asker = asker;
    if (system !== undefined) this.#messages.push({ role: 'system', content: system });
  }

  async say(content: string): Promise<Turn> {
    const { mesh, model, signal } = this.#asker;
    this.#messages.push({ role: 'user', content });
    let text = '';
    const request = { model, messages: [...this.#messages], maxTokens: 8, temperature: 0 };
    for await (const event of mesh.complete(request, signal)) {
      if (event.type === 'tokens') text += event.text;
      if (event.type !== 'end') continue;
      this.#messages.push({ role: 'assistant', content: text });
      const { promptTokens, cachedTokens } = event.usage;
      return { ttftMs: event.ttftMs, promptTokens, cachedTokens };
    }
    throw new Error('The answer has no end.');
  }
}

function against(name: string, turns: readonly Turn[], rival: string, rivals: readonly Turn[]): Result {
  const ttftMs = (of: readonly Turn[]) => median(of.map((turn) => turn.ttftMs));
  return toResult({
    name,
    value: ttftMs(turns),
    unit: 'ms',
    rival: { name: rival, value: ttftMs(rivals) },
    ratio: median(turns.map((turn, round) => turn.ttftMs / (rivals[round]?.ttftMs ?? Number.NaN))),
    target: { of: 'ratio', bound: 'at most', limit: MOST_OF_FIRST },
  });
}

function evaluated({ promptTokens, cachedTokens }: Turn): number {
  return promptTokens - cachedTokens;
}

function cachedShare({ promptTokens, cachedTokens }: Turn): number {
  return cachedTokens / promptTokens;
}
