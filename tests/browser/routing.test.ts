/**
 * The routing that a person sees: a page that chats, and peers of one model that are fast, slow and dead. Who answers and
 * what 'why?' says of the others is all that is looked at; events drive the story, no clock.
 */
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { type Engine, type Mesh, ModelId, peerName } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, ask, explanationOf, openChat } from '../setup/chat-page.ts';
import { tabmesh } from '../setup/command.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember, startTestEntry, unreachable, untilMesh } from '../setup/test-mesh.ts';

/** Just long enough for a rate. */
const QUESTION = 'one two three four five six seven eight';

let entry: Entry;
let profile: Profile;
let page: Page;
const members: Mesh[] = [];

beforeAll(async () => {
  entry = await startTestEntry();
  profile = await openProfile();
  page = profile.page;
});

afterAll(async () => {
  await profile?.[Symbol.asyncDispose]();
  for (const member of members) await member.close();
  await entry?.close();
});

/** Joins and measures its engine by asking itself, so that nobody needs to try it; it serves once the engine is added. */
async function measuredMember(engine: Engine, transport?: Parameters<typeof startMember>[2]): Promise<Mesh> {
  const mesh = startMember(entry.url, engine, transport);
  members.push(mesh);
  const question = { model: engine.model.id, messages: [{ role: 'user' as const, content: QUESTION }] };
  for await (const event of mesh.complete(question, new AbortController().signal)) void event;
  await mesh.removeEngine(engine, 1_000);
  return mesh;
}

const serves = (peerId: string, model: string) =>
  entry.mesh
    .peers()
    .some(({ announcement }) => announcement.peerId === peerId && announcement.models.some(({ id }) => id === model));
const until = (condition: () => boolean) => untilMesh(entry.mesh, condition);

async function newChat(model: string): Promise<void> {
  await openChat(page, entry.url);
  await page.getByRole('combobox', { name: 'Model' }).selectOption(model);
}

/** Without a reload, which would make this tab a member anew. */
const newConversation = () => page.getByRole('button', { name: 'New chat' }).click();

const servedBy = (answer: Answer) => answer.servedBy.split('·')[0]?.trim();
const seconds = (figure: string) => {
  const [, value = '', unit] = /^([\d.]+) (ms|s)$/.exec(figure) ?? [];
  return unit === 'ms' ? Number(value) / 1_000 : Number(value);
};

describe('of a fast, a slow and an unreachable peer', () => {
  let fastPause: (signal: AbortSignal) => Promise<unknown> = (signal) => setTimeout(10, undefined, { signal });
  const model = ModelId.parse('echo');
  const fastEngine = createEchoEngine(model, (signal) => fastPause(signal), 1);
  const slowEngine = createEchoEngine(model, 200);
  const deadEngine = createEchoEngine(model, 2);
  let fast: Mesh;
  let slow: Mesh;
  let dead: Mesh;

  beforeAll(async () => {
    fast = await measuredMember(fastEngine);
    slow = await measuredMember(slowEngine);
    dead = await measuredMember(deadEngine, unreachable);
    fast.addEngine(fastEngine);
    slow.addEngine(slowEngine);
    dead.addEngine(deadEngine);
    await until(() => [fast, slow, dead].every(({ peerId }) => serves(peerId, model)));
    await newChat(model);
  });

  it('WA10: the fast one answers, and why? says of each other what it would have taken and why it lost', async () => {
    const answer = await ask(page, QUESTION);
    expect(answer.text).toContain(QUESTION);
    expect(servedBy(answer)).toBe(peerName(fast.peerId));
    const [first, ...others] = await explanationOf(answer);
    expect(first).toMatchObject({ peer: peerName(fast.peerId), verdict: 'chosen', wait: 'none' });
    expect(others).toHaveLength(2);
    const slower = others.find(({ peer }) => peer === peerName(slow.peerId));
    const failed = others.find(({ peer }) => peer === peerName(dead.peerId));
    expect(slower).toMatchObject({ verdict: 'slower', measuredBy: 'the peer' });
    expect(seconds(slower?.expected ?? '')).toBeGreaterThan(seconds(first?.expected ?? '') * 2);
    // Its figures were the best, and it was asked first.
    expect(failed).toMatchObject({ verdict: 'failed or was late just now', wait: 'none', measuredBy: 'the peer' });
    expect(seconds(failed?.expected ?? '')).toBeLessThan(seconds(first?.expected ?? ''));
  });

  it('RT12: a dead peer is never the least busy one, however idle it says it is', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const pauseBefore = fastPause;
    fastPause = () => held;
    const box = page.getByRole('textbox', { name: 'Message' });
    await newConversation();
    await box.fill(QUESTION);
    await box.press('Enter');
    await page.getByTestId('served-by').getByText(peerName(fast.peerId)).waitFor();
    await until(() => fast.serving().activeJobs === 1);
    await newConversation();
    await box.fill(QUESTION);
    await box.press('Enter');
    await page.getByTestId('served-by').getByText(peerName(fast.peerId)).waitFor();
    fastPause = pauseBefore;
    release();
    const article = page.getByRole('log').locator('article[data-role="assistant"][data-state="done"]');
    await article.waitFor();
    const [first, ...others] = await explanationOf({ article, state: '', text: '', servedBy: '' });
    expect(first).toMatchObject({ peer: peerName(fast.peerId), verdict: 'chosen' });
    expect(seconds(first?.wait ?? '')).toBeGreaterThan(0);
    expect(others).toContainEqual(
      expect.objectContaining({ peer: peerName(dead.peerId), verdict: 'failed or was late just now', wait: 'none' }),
    );
  });

  it('WA11: when the fast one leaves, the slow one answers, and the fast one again once it is back', async () => {
    await newConversation();
    await fast.removeEngine(fastEngine, 1_000);
    await until(() => !serves(fast.peerId, model));
    expect(servedBy(await ask(page, QUESTION))).toBe(peerName(slow.peerId));
    fast.addEngine(fastEngine);
    await until(() => serves(fast.peerId, model));
    expect(servedBy(await ask(page, QUESTION))).toBe(peerName(fast.peerId));
  });

  it('WA12: when the fast one gets slow, this tab measures it and turns to the other', async () => {
    fastPause = (signal) => setTimeout(500, undefined, { signal });
    await newConversation();
    const peers: (string | undefined)[] = [];
    let answer: Answer | undefined;
    while (peers.at(-1) !== peerName(slow.peerId) && peers.length < 12) {
      answer = await ask(page, QUESTION);
      peers.push(servedBy(answer));
    }
    expect(peers.at(-1)).toBe(peerName(slow.peerId));
    expect(peers[0]).toBe(peerName(fast.peerId));
    const rows = answer === undefined ? [] : await explanationOf(answer);
    expect(rows).toContainEqual(
      expect.objectContaining({ peer: peerName(fast.peerId), verdict: 'slower', measuredBy: 'this tab' }),
    );
  });
});

describe('of two peers one of which freezes', () => {
  it('WA13: the prompt that went to it is answered by the other, whole and once', async () => {
    const model = ModelId.parse('mesh-tiny');
    const backupEngine = createEchoEngine(model, 200);
    const backup = await measuredMember(backupEngine);
    await using frozen = tabmesh(['serve', '--model', model, '--join', entry.url]);
    const [, frozenId = ''] = await frozen.line(/^Serving mesh-tiny as (\S+)/);
    await until(() => serves(frozenId, model));
    await newChat(model);
    expect((await ask(page, 'What does the router measure?')).servedBy).toContain(model);
    backup.addEngine(backupEngine);
    await until(() => serves(backup.peerId, model));
    const before = await ask(page, 'Who can read what I write here?');
    const [first, second] = await explanationOf(before);
    expect(first).toMatchObject({ verdict: 'chosen', measuredBy: 'this tab' });
    expect(second).toMatchObject({ peer: peerName(backup.peerId), verdict: 'slower', measuredBy: 'the peer' });

    frozen.process.kill('SIGSTOP');
    const answer = await ask(page, QUESTION);
    expect(answer.state).toBe('done');
    expect(answer.text.split(QUESTION)).toHaveLength(2);
    expect(servedBy(answer)).toBe(peerName(backup.peerId));
    frozen.process.kill('SIGKILL');
    await once(frozen.process, 'close');
    expect(servedBy(await ask(page, QUESTION))).toBe(peerName(backup.peerId));
    expect(profile.complaints).toEqual([]);
  });
});
