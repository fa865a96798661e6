/** A page that its entry does not take: what its user is told. Chromium's own table of names stands in for DNS. */
import { accessSettings, type Entry } from '@tabmesh/signaling';
import { expect, it, onTestFinished } from 'vitest';
import { ask, openChat } from '../setup/chat-page.ts';
import { openProfile } from '../setup/profile.ts';
import { startTestEntry } from '../setup/test-mesh.ts';

async function entryWith(options: Parameters<typeof startTestEntry>[0]): Promise<Entry> {
  const entry = await startTestEntry(options);
  onTestFinished(() => entry.close());
  return entry;
}

it('WA26: a full entry says so above the conversation, and as the answer to what was asked meanwhile', async () => {
  // The entry itself is a member.
  const entry = await entryWith({ hubLimits: { members: 1 } });
  await using profile = await openProfile();
  const { page } = profile;
  let join: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    join = resolve;
  });
  await page.routeWebSocket(/socket\.io/, async (socket) => {
    await asked;
    socket.connectToServer();
  });
  await openChat(page, entry.url);

  const answered = ask(page, 'Is there room?');
  await page.getByText('Joining the mesh …').waitFor();
  join();

  const { state, text } = await answered;
  expect(state).toBe('error');
  expect(text).toContain('This entry has no room for another peer. Try again later or join another.');
  expect(text).not.toContain('No peer serves');
  await page.getByText('Try again later or join another. Trying again …').waitFor();
});

it('WA26: an entry that does not know the name of the page any more says so, and how it would', async () => {
  const named = await entryWith({ access: accessSettings({ hosts: 'mesh.example.org' }) });
  const { port } = new URL(named.url);
  await using profile = await openProfile({ flags: ['--host-resolver-rules=MAP mesh.example.org 127.0.0.1'] });
  const { page } = profile;
  await openChat(page, `http://mesh.example.org:${port}`);

  await named.close();
  await entryWith({ port: Number(port) });

  await page
    .getByText(`Not in the mesh yet: 'mesh.example.org:${port}' is no name of this entry`)
    .getByText('--allowed-hosts mesh.example.org')
    .waitFor();
});
