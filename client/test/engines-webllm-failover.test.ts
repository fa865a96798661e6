/** The mesh's main scene: a tab that runs WebLLM closes in mid-answer, and another tab of its class goes on. */
import { type VirtualAnswer, VirtualMesh } from '@tabmesh/shared/testing';
import { expect, it } from 'vitest';
import { createWebllmEngine } from '../src/engines/webllm/webllm-adapter.ts';
import { createScriptedWebllm, MODEL, PROMPTS } from './engines-scripted-webllm.ts';

const TOKEN_MS = 20;

it('EN126: an answer that a WebLLM tab began is ended by another, whole and once, wherever the first one closes', {
  timeout: 60_000,
}, async () => {
  const undisturbed = await ask(undefined);
  const pieces = piecesOf(undisturbed);
  expect(undisturbed.state).toBe('done');

  for (let closedAfter = 1; closedAfter < pieces; closedAfter += 1) {
    const answer = await ask(closedAfter);
    expect(answer.text, `closed after ${closedAfter} pieces`).toBe(undisturbed.text);
    expect(answer.events.flatMap((event) => (event.type === 'route' ? [event.continues] : []))).toEqual([
      null,
      'same-class',
    ]);
  }
});

/** In a mesh of its own. The tab that answers is killed after so many pieces. */
async function ask(closedAfter: number | undefined): Promise<VirtualAnswer> {
  const world = new VirtualMesh();
  try {
    const alice = world.member('alice');
    const lending = ['bob', 'carol'].map((name) => ({ name, peerId: lend(world, name) }));
    await world.clock.advance(1_000);
    const messages = [{ role: 'user' as const, content: 'How do peers find each other?' }];
    const answer = world.ask(alice, { model: MODEL.id, messages, temperature: 0 });
    while (closedAfter !== undefined && piecesOf(answer) < closedAfter && answer.state === 'running') {
      await world.clock.advance(1);
    }
    const [first] = answer.events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));
    if (closedAfter !== undefined) world.network.kill(lending.find(({ peerId }) => peerId === first)?.name ?? '');
    await world.clock.advance(10_000);
    return answer;
  } finally {
    await world.close();
  }
}

function lend(world: VirtualMesh, name: string): string {
  const step = () => new Promise<void>((resolve) => void world.clock.after(TOKEN_MS, resolve));
  const webllm = createScriptedWebllm(MODEL.contextTokens, step);
  const mesh = world.member(name);
  mesh.addEngine(createWebllmEngine({ model: MODEL, webllm, prompts: PROMPTS, dispose() {} }));
  return mesh.peerId;
}

function piecesOf({ events }: VirtualAnswer): number {
  return events.filter(({ type }) => type === 'tokens').length;
}
