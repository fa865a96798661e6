/**
 * One answer after the other while everything around them breaks: peers are killed, hang, drain, fail and lose the entry,
 * and the entry starts again, at moments that follow from a seed. One peer is left alone, so every answer can come, and at temperature 0 it must come
 * as if nothing had happened.
 */
import { MeshError } from '../errors.ts';
import type { Mesh } from '../mesh/mesh-interface.ts';
import type { Engine } from '../ports/engine.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine } from './scripted-engine.ts';
import { createSeededRandom } from './seeded-random.ts';
import { type VirtualAnswer, VirtualMesh } from './virtual-mesh.ts';

export interface ChaosOutcome {
  readonly answers: readonly {
    readonly text: string;
    /** What an undisturbed peer says. */
    readonly expected: string;
    readonly state: VirtualAnswer['state'];
    readonly error: unknown;
    /** Peers that it took. */
    readonly peers: number;
    readonly tokens: number;
    readonly completionTokens: number | undefined;
  }[];
  readonly disturbances: number;
}

interface Victim {
  readonly name: string;
  readonly mesh: Mesh;
  readonly engine: Engine;
  /** Its next token fails the answer. */
  failing: boolean;
  serving: boolean;
}

const MODEL = ModelId.parse('scripted-model');
const LENGTH = 60;
const VICTIMS = 4;
const LONGEST_ANSWER_MS = 120_000;

export async function runChaos(seed: number, answers = 3): Promise<ChaosOutcome> {
  const random = createSeededRandom(seed);
  const world = new VirtualMesh(seed);
  const between = (low: number, high: number) => low + random.float() * (high - low);
  const engineOf = (tokenIntervalMs: number, ttftMs: number) =>
    createScriptedEngine({ clock: world.clock, scenario: 'steady', tokens: LENGTH, slots: 8, tokenIntervalMs, ttftMs });

  const asker = world.member('asker');
  const survivor = world.member('survivor', 'native');
  survivor.addEngine(engineOf(20, 50));
  const victims: Victim[] = [];
  const admit = () => {
    const name = `victim ${victims.length}`;
    const scripted = engineOf(between(2, 40), between(10, 400));
    const victim: Victim = {
      name,
      mesh: world.member(name, 'native'),
      failing: false,
      serving: true,
      engine: {
        ...scripted,
        async *generate(request, signal) {
          for await (const event of scripted.generate(request, signal)) {
            if (victim.failing) throw MeshError.engineFailed('the chaos wants it so');
            yield event;
          }
        },
      },
    };
    victim.mesh.addEngine(victim.engine);
    victims.push(victim);
  };
  for (let index = 0; index < VICTIMS; index += 1) admit();
  await world.clock.advance(2_000);

  let disturbances = 0;
  const disturb = async () => {
    const victim = victims[Math.floor(random.float() * victims.length)];
    if (victim === undefined) return;
    disturbances += 1;
    const later = (ms: number, undo: () => void) => world.clock.after(ms, undo);
    const away = (name: string) => {
      world.network.disconnect(name);
      later(between(100, 3_000), () => world.network.reconnect(name));
    };
    switch (Math.floor(random.float() * 6)) {
      case 0:
        world.network.kill(victim.name);
        victims.splice(victims.indexOf(victim), 1);
        admit();
        break;
      case 1:
        world.network.partition('asker', victim.name);
        later(between(500, 8_000), () => world.network.heal('asker', victim.name));
        break;
      case 2:
        victim.failing = true;
        later(between(100, 2_000), () => {
          victim.failing = false;
        });
        break;
      case 3:
        if (!victim.serving) return;
        victim.serving = false;
        void victim.mesh.removeEngine(victim.engine, between(0, 300)).then(() => {
          victim.serving = true;
          victim.mesh.addEngine(victim.engine);
        });
        break;
      case 4:
        away(victim.name);
        break;
      // The entry starts again, knows nobody, and is found by one after the other.
      default:
        for (const name of ['asker', 'survivor', ...victims.map((one) => one.name)]) away(name);
    }
  };

  const outcomes: ChaosOutcome['answers'][number][] = [];
  for (let turn = 0; turn < answers; turn += 1) {
    const messages = [{ role: 'user' as const, content: `Question ${seed}.${turn}: how do peers find each other?` }];
    const answer = world.ask(asker, { model: MODEL, messages, temperature: 0 });
    for (let ms = 0; answer.state === 'running' && ms < LONGEST_ANSWER_MS; ) {
      const step = Math.ceil(between(1, 250));
      await world.clock.advance(step);
      ms += step;
      if (random.float() < 0.5) await disturb();
    }
    const tokens = answer.events.flatMap((event) => (event.type === 'tokens' ? [event.tokenCount] : []));
    outcomes.push({
      text: answer.text,
      expected: await undisturbed(messages),
      state: answer.state,
      error: answer.error,
      peers: answer.events.filter(({ type }) => type === 'route').length,
      tokens: tokens.reduce((sum, count) => sum + count, 0),
      completionTokens: answer.events.flatMap((event) =>
        event.type === 'end' ? [event.usage.completionTokens] : [],
      )[0],
    });
  }
  await world.close();
  return { answers: outcomes, disturbances };
}

async function undisturbed(messages: readonly { readonly role: 'user'; readonly content: string }[]): Promise<string> {
  const world = new VirtualMesh();
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', tokens: LENGTH, tokenIntervalMs: 1 });
  const request = { messages, maxTokens: LENGTH * 2, temperature: 0, topP: 1, stop: [] };
  let text = '';
  const done = (async () => {
    for await (const event of engine.generate(request, new AbortController().signal)) {
      if (event.type === 'tokens') text += event.text;
    }
  })();
  await world.clock.advance(10_000);
  await done;
  return text;
}
