/**
 * A mesh without a network, for looking at the page: `?demo=5` shows five peers that answer from a script. Add
 * `&scenario=` joining, offline, failing, slow or thinking; with more peers than five, `&churn=100` changes that many a second. Only
 * in development; no build contains it.
 */
import {
  type AnswerEvent,
  type CompletionRequest,
  createIdentity,
  defaultModel,
  type Engine,
  JobId,
  type Mesh,
  type MeshConnection,
  MeshError,
  type MeshModel,
  type MeshPeer,
  ModelId,
  type PeerId,
  pause,
  type RouteExplanation,
  randomHexId,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { scriptedCrowd, stir } from './scripted-crowd.ts';

type Scenario = 'steady' | 'joining' | 'offline' | 'failing' | 'slow' | 'thinking';

const NAMES = ['quiet-rowan', 'amber-finch', 'still-larch', 'north-heron', 'pale-otter'];
const MODELS = ['mesh-tiny', 'mesh-tiny', 'Qwen3-8B', 'Llama-3.2-3B', 'mesh-tiny'].map((id) => ModelId.parse(id));
const RATES = [1400, 610, 41, 63, 0];

const ANSWER = `It measures the **round trip** on the open link, the time to the first token, and the decode rate of every answer. A peer's figures come from three places, best first:

1. what *this tab* measured itself,
2. what the peer announced about its last hour,
3. its native baseline.

The peer with the lowest expected time wins. Roughly:

\`\`\`ts
const expectedMs =
  connectMs + rttMs + waitMs + ttftMs + outputTokens / tokensPerSecond;
\`\`\`

| peer | TTFT | rate |
| --- | ---: | ---: |
| quiet-rowan | 84 ms | 41 tok/s |
| amber-finch | 120 ms | 38 tok/s |

Within ten per cent, the less busy one is taken. See [the contract](https://example.org/contract) for the formula.`;

const THOUGHTS = `Okay, the user asks what the router measures. Let me recall: each peer announces its own figures, and this tab keeps samples of what it saw.

So there are three sources. I should say which one wins, and then give the formula, since that is what the question is really about. A small table of two peers makes it concrete.

Wait, is it the round trip of the link or of the job? Of the link: it is measured by pings. Good. Then the time to the first token, and the decode rate.`;

export function createScriptedMesh(parameters: URLSearchParams): Mesh {
  const scenario = (parameters.get('scenario') ?? 'steady') as Scenario;
  const own = createIdentity(systemRandom).peerId;
  const listeners = new Set<() => void>();
  const engines = new Set<Engine>();
  const others = scenario === 'offline' ? [] : scriptedPeers(Number(parameters.get('demo') || '5'));
  const change = () => {
    for (const listener of listeners) listener();
  };
  stirOften(others, Number(parameters.get('churn') || '0'), change);
  let connection: MeshConnection = { state: 'joining' };
  if (scenario !== 'joining') {
    setTimeout(() => {
      connection = scenario === 'offline' ? { state: 'offline', reason: 'connection refused' } : { state: 'online' };
      change();
    }, 150);
  }
  const online = () => connection.state === 'online';

  const models = (): MeshModel[] => {
    const peersOf = new Map<ModelId, PeerId[]>();
    for (const peer of online() ? others : []) {
      if (peer.announcement.state === 'draining') continue;
      for (const { id } of peer.announcement.models) peersOf.set(id, [...(peersOf.get(id) ?? []), peer.peerId]);
    }
    for (const { model } of engines) peersOf.set(model.id, [...(peersOf.get(model.id) ?? []), own]);
    return [...peersOf]
      .map(([id, peers]) => ({ id, peers, contextTokens: 8192 }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  };

  return {
    peerId: own,
    connection: () => connection,
    peers: () => [...(online() ? others : []), scriptedPeer(own, 'mild-aspen', undefined, 0)],
    models,
    measurementsOf: (model) =>
      others.flatMap(({ peerId, announcement }) =>
        announcement.models.filter(({ id }) => id === model).map(({ measured }) => ({ peerId, measured })),
      ),
    setBaseline() {},
    defaultModel: () => defaultModel(models().map(({ id, peers }) => ({ id, peerCount: peers.length }))),
    embed: () => Promise.reject(MeshError.nothingServed()),
    async *complete(request: CompletionRequest, signal: AbortSignal): AsyncIterable<AnswerEvent> {
      const model = request.model ?? defaultModel(models().map(({ id, peers }) => ({ id, peerCount: peers.length })));
      const provider = others.find((peer) => peer.announcement.models.some(({ id }) => id === model));
      if (model === undefined || provider === undefined) throw MeshError.noPeerWithModel(model ?? 'any model');
      await passTime(scenario === 'slow' ? 4_000 : 120, signal);
      const jobId = JobId.parse(randomHexId(systemRandom));
      yield {
        type: 'route',
        jobId,
        peerId: provider.peerId,
        model,
        continues: null,
        explanation: explain(others, provider.peerId),
      };
      await passTime(84, signal);
      const thoughts = scenario === 'thinking' ? THOUGHTS.split(/(?<=\s)/) : [];
      for (const text of thoughts) {
        yield { type: 'tokens', text, tokenCount: 1, thought: true };
        await passTime(48, signal);
      }
      const words = ANSWER.split(/(?<=\s)/);
      for (const [index, word] of words.entries()) {
        if (scenario === 'failing' && index === 24) throw MeshError.peerLost('its tab was closed');
        yield { type: 'tokens', text: word, tokenCount: 1 };
        await passTime(24, signal);
      }
      const usage = {
        promptTokens: 24,
        completionTokens: words.length,
        cachedTokens: 0,
      };
      yield {
        type: 'end',
        reason: 'stop',
        usage,
        ttftMs: 84,
        tokensPerSecond: 41.3,
      };
    },
    addEngine(engine) {
      engines.add(engine);
      change();
    },
    announceNow() {},
    async removeEngine(engine) {
      await pause(systemClock, 1_500, new AbortController().signal);
      engines.delete(engine);
      change();
    },
    serving: () =>
      engines.size > 0
        ? { activeJobs: 1, finishedJobs: 14, tokens: 3_120 }
        : { activeJobs: 0, finishedJobs: 0, tokens: 0 },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      connection = { state: 'closed' };
      change();
    },
  };
}

/** As the real mesh does, tells of changes every 50 ms at most. */
function stirOften(peers: MeshPeer[], perSecond: number, onChange: () => void): void {
  if (perSecond === 0 || peers.length === 0) return;
  setInterval(() => {
    for (let times = 0; times < perSecond / 20; times += 1) {
      const index = Math.floor(Math.random() * peers.length);
      const peer = peers[index];
      if (peer !== undefined) peers[index] = stir(peer);
    }
    onChange();
  }, 50);
}

function scriptedPeers(count: number): MeshPeer[] {
  if (count > NAMES.length) return scriptedCrowd(count);
  return NAMES.slice(0, count).map((name, index) =>
    scriptedPeer(createIdentity(systemRandom).peerId, name, MODELS[index], RATES[index] ?? 0),
  );
}

function scriptedPeer(peerId: PeerId, name: string, model: ModelId | undefined, rate: number): MeshPeer {
  const measured =
    rate === 0
      ? null
      : {
          ttftMs: 84,
          ttftP95Ms: 130,
          tokensPerSecond: rate,
          tokensPerSecondP95: rate * 1.1,
          sampleCount: 12,
          ageMs: 180_000,
        };
  const baseline = rate === 0 ? null : { ttftMs: 70, tokensPerSecond: rate * 1.07, sampleCount: 3, ageMs: 3_600_000 };
  const served = {
    classId: '0'.repeat(32) as MeshPeer['announcement']['models'][number]['classId'],
    family: 'llama.cpp' as const,
    backend: 'llama.cpp · CPU AVX2',
    contextTokens: 8192,
    slots: 2,
    inFlight: rate === 41 ? 1 : 0,
    queued: 0,
    sizeBytes: 5_620_864,
    features: [],
    measured,
    baseline,
  };
  return {
    peerId,
    name,
    linked: rate > 0,
    rttMs: rate > 0 ? 0.4 : null,
    announcement: {
      type: 'announcement',
      peerId,
      kind: rate > 1000 ? 'native' : 'tab',
      version: '0.1.0',
      sequence: 1,
      issuedAtMs: Date.now(),
      lifetimeMs: 30_000,
      state: 'ready',
      memoryBytes: 24 * 2 ** 30,
      models: model === undefined ? [] : [{ id: model, ...served }],
      links: [],
    },
  };
}

function explain(peers: readonly MeshPeer[], chosen: PeerId): RouteExplanation {
  const candidates = peers.map((peer, index) => {
    const measured = peer.announcement.models[0]?.measured ?? null;
    return {
      peerId: peer.peerId,
      verdict: peer.peerId === chosen ? ('chosen' as const) : measured ? ('slower' as const) : ('unmeasured' as const),
      expectedMs: measured && 3_200 * (index + 1),
      connectMs: peer.linked ? 0 : 350,
      rttMs: 0.4 + index * 9,
      waitMs: index === 3 ? 1_200 : 0,
      ttftMs: measured && 84 + index * 36,
      tokensPerSecond: measured?.tokensPerSecond ?? null,
      source: index === 0 ? ('own' as const) : measured ? ('announced' as const) : ('none' as const),
    };
  });
  candidates.sort((a, b) => Number(b.verdict === 'chosen') - Number(a.verdict === 'chosen'));
  return { outputTokens: 128, candidates };
}

async function passTime(ms: number, signal: AbortSignal): Promise<void> {
  await pause(systemClock, ms, signal);
  if (signal.aborted) throw MeshError.cancelled();
}
