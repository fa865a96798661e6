/** Whole members among peers whose messages on the link are not what their engine said: real frames, a virtual network. */
import { afterEach, describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import { silentLogger } from '../ports/logger.ts';
import type { Transport } from '../ports/transport.ts';
import { decodePeerMessage } from '../protocol/decode.ts';
import { FrameAssembler, toFrames } from '../protocol/frames.ts';
import { ModelId } from '../protocol/ids.ts';
import type { PeerMessageOf } from '../protocol/messages.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import { createMesh } from './mesh.ts';
import type { AnswerEvent, Mesh } from './mesh-interface.ts';

type Delta = PeerMessageOf<'token-delta'>;
type End = PeerMessageOf<'job-end'>;
/** What goes out instead: messages, whole or as JSON text. */
type Falsify = (said: Delta | End) => readonly unknown[];

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'What is a mesh?' }], temperature: 0 };

let world = new VirtualMesh();
let hostile: Mesh[] = [];
afterEach(async () => {
  const closed = Promise.all(hostile.map((mesh) => mesh.close()));
  await world.close();
  await closed;
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
  hostile = [];
});

/** Serves as any other, but for what it says of its answers. */
function falsifier(falsify: Falsify): Mesh {
  const random = createSeededRandom(21);
  const { signaling, transports } = world.network.join('mallory');
  const mesh = createMesh({
    identity: createIdentity(random),
    kind: 'native',
    version: '0.0.0-test',
    transports: [falsified(transports[0], falsify)],
    signaling,
    clock: world.clock,
    random,
    logger: silentLogger,
  });
  hostile.push(mesh);
  mesh.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady' }));
  return mesh;
}

function falsified(transport: Transport, falsify: Falsify): Transport {
  return {
    way: transport.way,
    open(options, handlers) {
      const channel = transport.open(options, handlers);
      const assembler = new FrameAssembler();
      return {
        signal: (payload) => channel.signal(payload),
        bufferedBytes: () => channel.bufferedBytes(),
        close: () => channel.close(),
        send(frame) {
          const bytes = assembler.push(frame);
          if (bytes === undefined) return;
          const message = decodePeerMessage(bytes);
          const said = message.type === 'token-delta' || message.type === 'job-end' ? falsify(message) : [message];
          for (const one of said) {
            const text = typeof one === 'string' ? one : JSON.stringify(one);
            for (const piece of toFrames(new TextEncoder().encode(text))) channel.send(piece);
          }
        },
      };
    },
  };
}

/** Alice asks mallory; bob, of the same class, is slower and can go on. */
async function askAlice(falsify: Falsify) {
  const mallory = falsifier(falsify);
  const bob = world.member('bob', 'native');
  const alice = world.member('alice');
  await world.clock.advance(1_000);
  const undisturbed = await greedyAnswer();
  const answer = world.ask(alice, question);
  bob.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady', ttftMs: 400, tokenIntervalMs: 40 }));
  await world.clock.advance(15_000);
  return { mallory, bob, undisturbed, answer };
}

/** What any engine of the class says. */
async function greedyAnswer(): Promise<string> {
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady' });
  let text = '';
  const reading = (async () => {
    const request = { messages: question.messages, maxTokens: 1_000, temperature: 0, topP: 1, stop: [] };
    for await (const event of engine.generate(request, new AbortController().signal)) {
      if (event.type === 'tokens') text += event.text;
    }
  })();
  await world.clock.advance(2_000);
  await reading;
  return text;
}

const peersOf = (events: readonly AnswerEvent[]) =>
  events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));
const countOf = (events: readonly AnswerEvent[]) =>
  events.reduce((sum, event) => sum + (event.type === 'tokens' ? event.tokenCount : 0), 0);

/** Of deltas only: the ends stay as they are. */
const ofDeltas =
  (falsify: (delta: Delta) => readonly unknown[]): Falsify =>
  (said) =>
    said.type === 'token-delta' ? falsify(said) : [said];

/** Of the delta that holds this token. */
const at = (token: number, falsify: (delta: Delta) => readonly unknown[]) =>
  ofDeltas((delta) =>
    delta.firstToken <= token && token < delta.firstToken + delta.tokenCount ? falsify(delta) : [delta],
  );

describe('a peer that says what makes no difference', () => {
  it.each<[string, Falsify]>([
    ['every delta twice', ofDeltas((delta) => [delta, delta])],
    ['the first delta again and again', ofDeltas((delta) => [delta, { ...delta, firstToken: 0, tokenCount: 1 }])],
    [
      'deltas of jobs that there are not',
      ofDeltas((delta) => [{ ...delta, jobId: '0'.repeat(32), text: 'evil' }, delta]),
    ],
    ['its end twice', (said) => (said.type === 'job-end' ? [said, said] : [said])],
    [
      'more after its end',
      (said) => (said.type === 'job-end' ? [said, { ...deltaOf(said), firstToken: 24, text: 'evil' }] : [said]),
    ],
    ['an end with ten million tokens', (said) => (said.type === 'job-end' ? [claiming(said, 10_000_000)] : [said])],
    ['words that nobody knows', at(5, (delta) => [{ ...delta, type: 'token-gift' }, delta])],
  ])('IN14: %s gives its answer all the same', async (_what, falsify) => {
    const { mallory, answer, undisturbed } = await askAlice(falsify);
    expect(answer).toMatchObject({ state: 'done', text: undisturbed });
    expect(peersOf(answer.events)).toEqual([mallory.peerId]);
    expect(answer.events.at(-1)).toMatchObject({ type: 'end', usage: { completionTokens: countOf(answer.events) } });
  });
});

describe('a peer whose answer makes no sense from some token on', () => {
  it.each<[string, Falsify]>([
    ['leaves a delta out', at(5, () => [])],
    ['sends two in the wrong order', swapped(5)],
    ['sends a delta that begins within the one before', at(5, (delta) => [delta, { ...delta, tokenCount: 3 }])],
    ['counts no token for a text', at(5, (delta) => [{ ...delta, tokenCount: 0 }])],
    ['counts backwards', at(5, (delta) => [{ ...delta, tokenCount: -1 }])],
    ['counts half tokens', at(5, (delta) => [{ ...delta, tokenCount: 0.5 }])],
    ['counts a billion tokens', at(5, (delta) => [{ ...delta, tokenCount: 1e9 }])],
    [
      'counts as many as a delta may have, past what was asked for',
      at(5, (delta) => [{ ...delta, tokenCount: 99_999 }]),
    ],
    ['sends a text that is no text', at(5, (delta) => [{ ...delta, text: { evil: true } }])],
    ['sends what is no JSON', at(5, (delta) => [JSON.stringify(delta).slice(0, -1)])],
    ['falls silent', (said) => (said.type === 'token-delta' && said.firstToken < 5 ? [said] : [])],
    ['talks nonsense until its link is cut', at(5, () => Array.from({ length: 20 }, () => ({ type: 'nonsense' })))],
    ['never says that it is over', (said) => (said.type === 'job-end' ? [] : [said])],
  ])('IN16: %s is followed by another, and the reader sees one answer', async (_what, falsify) => {
    const { mallory, bob, answer, undisturbed } = await askAlice(falsify);
    expect(answer).toMatchObject({ state: 'done', text: undisturbed });
    expect(peersOf(answer.events)).toEqual([mallory.peerId, bob.peerId]);
    expect(answer.events.at(-1)).toMatchObject({ type: 'end', usage: { completionTokens: 24 } });
    expect(mallory.serving().activeJobs).toBe(0);
  });
});

describe('a flood', () => {
  it('IN10: of deltas ends with the tokens that were asked for', async () => {
    const flood = ofDeltas((delta) =>
      Array.from({ length: 500 }, (_, token) => ({ ...delta, firstToken: token, tokenCount: 1, text: 'x' })),
    );
    const mallory = falsifier(at(0, flood));
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...question, maxTokens: 50 });
    await world.clock.advance(5_000);
    expect(answer.text).toBe('x'.repeat(50));
    expect(countOf(answer.events)).toBe(50);
    expect(mallory.serving().activeJobs).toBe(0);
  });

  it('IN17: to a reader who does not read frees the slot of its peer', async () => {
    const text = 'x'.repeat(500_000);
    const flood = at(1, (delta) =>
      Array.from({ length: 12 }, (_, token) => ({ ...delta, firstToken: 1 + token, tokenCount: 1, text })),
    );
    const mallory = falsifier(flood);
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const slow = { ...question, maxTokens: 1_000 };
    const answer = alice.complete(slow, new AbortController().signal)[Symbol.asyncIterator]();
    await answer.next();
    const first = answer.next();
    await world.clock.advance(100);
    await first;
    // Its answer of 24 tokens takes longer than that.
    expect(mallory.serving().activeJobs).toBe(0);
    await answer.return?.();
  });
});

function claiming(end: End, completionTokens: number): End {
  return { ...end, usage: { ...end.usage, completionTokens } };
}

function deltaOf({ jobId }: End): Delta {
  return { type: 'token-delta', jobId, firstToken: 0, tokenCount: 1, text: '' };
}

/** The delta of this token comes behind the next one. */
function swapped(token: number): Falsify {
  let held: Delta | undefined;
  return ofDeltas((delta) => {
    const before = held;
    held = undefined;
    if (before !== undefined) return [delta, before];
    if (delta.firstToken !== token) return [delta];
    held = delta;
    return [];
  });
}
