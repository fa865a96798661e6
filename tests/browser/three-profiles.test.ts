/** The whole story in three browsers: one lends, one chats, one arrives later; then the lender goes and a native peer answers. */
import type { Entry } from '@tabmesh/signaling';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, openChat, startLending } from '../setup/chat-page.ts';
import { tabmesh } from '../setup/command.ts';
import { messagesOverDataChannels, openProfile } from '../setup/profile.ts';
import { startTestEntry, untilMesh } from '../setup/test-mesh.ts';

let entry: Entry;

beforeAll(async () => {
  entry = await startTestEntry();
});

afterAll(() => entry?.close());

/** The name of the one peer of a kind that the entry knows. */
const nameOf = (kind: string) =>
  entry.mesh.peers().find((peer) => peer.announcement.kind === kind && peer.announcement.models.length > 0)?.name;

const until = (condition: () => boolean) => untilMesh(entry.mesh, condition);

it('E2E1: tabs answer tabs over a data channel, and a native peer takes over when the tab has closed', async () => {
  await using lender = await openProfile();
  await using chatter = await openProfile();
  await startLending(lender.page, entry.url, /mesh-tiny/);
  await openChat(chatter.page, entry.url);
  const lenderName = nameOf('tab');
  expect(lenderName).toBeDefined();

  const before = await messagesOverDataChannels(chatter.page);
  const first = await ask(chatter.page, 'What does the router measure?');
  expect(first).toMatchObject({ state: 'done' });
  expect(first.servedBy).toContain(lenderName);
  expect(first.servedBy).toContain('mesh-tiny');
  expect((await messagesOverDataChannels(chatter.page)) - before).toBeGreaterThan(3);

  await using newcomer = await openProfile();
  await openChat(newcomer.page, entry.url);
  const second = await ask(newcomer.page, 'Who can read what I write here?');
  expect(second).toMatchObject({ state: 'done' });
  expect(second.servedBy).toContain(lenderName);

  await using native = tabmesh(['serve', '--model', 'mesh-tiny', '--join', entry.url]);
  await native.line(/^Serving mesh-tiny as /);
  await until(() => nameOf('native') !== undefined);
  await lender.page.close();
  await until(() => nameOf('tab') === undefined);
  const third = await ask(chatter.page, 'What is two plus two?');
  expect(third).toMatchObject({ state: 'done' });
  expect(third.servedBy).toContain(nameOf('native'));
  const fourth = await ask(newcomer.page, 'Tell me a short story');
  expect(fourth.servedBy).toContain(nameOf('native'));
  expect([...chatter.complaints, ...newcomer.complaints]).toEqual([]);
});
