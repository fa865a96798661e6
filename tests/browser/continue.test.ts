/** An answer that broke off because no peer was left, and is gone on with later: the page's own button for it. */
import AxeBuilder from '@axe-core/playwright';
import { type Engine, type Mesh, peerName } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openChat } from '../setup/chat-page.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const COUNT = 'one two three four five six seven eight nine ten';
let entry: Entry;
let chatter: Profile;
const members: Mesh[] = [];

beforeAll(async () => {
  entry = await startTestEntry();
  chatter = await openProfile();
});
afterAll(async () => {
  await chatter?.[Symbol.asyncDispose]();
  for (const member of members) await member.close();
  await entry?.close();
});

/** Says no more words than it may, and then stands still; it can go on with what another one began. */
async function echoMember(mostWords: number): Promise<Mesh> {
  let words = 0;
  const echo = createEchoEngine('echo', async (signal) => {
    words += 1;
    if (words > mostWords) await new Promise((_, reject) => signal.addEventListener('abort', reject));
  });
  const engine: Engine = {
    ...echo,
    model: { ...echo.model, features: ['continue'] },
    async *generate(request, signal) {
      const given = request.continues?.tokenCount ?? 0;
      let position = 0;
      for await (const event of echo.generate(request, signal)) {
        if (event.type === 'end') {
          yield { ...event, usage: { ...event.usage, completionTokens: event.usage.completionTokens - given } };
        } else if (position++ >= given) yield event;
      }
    },
  };
  const member = startMember(entry.url, engine);
  members.push(member);
  await untilMesh(entry.mesh, () => entry.mesh.models().some(({ peers }) => peers.includes(member.peerId)));
  return member;
}

it('LC17: goes on at the next peer that comes, on Continue, also after a reload', async () => {
  const { page, complaints } = chatter;
  const first = await echoMember(4);
  await openChat(page, entry.url);
  await page.getByRole('combobox', { name: 'Model' }).selectOption('echo');
  const box = page.getByRole('textbox', { name: 'Message' });
  await box.fill(COUNT);
  await box.press('Enter');
  const article = page.getByRole('log').locator('article[data-role="assistant"]');
  await article.getByText('one two three four').waitFor();
  await first.close();
  const goOn = article.getByRole('button', { name: 'Continue' });
  await goOn.waitFor();
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);

  await page.reload();
  await goOn.waitFor();
  const second = await echoMember(Number.POSITIVE_INFINITY);
  await goOn.click();
  const handover = article.getByTestId('handover');
  await handover.getByText(`Begun by ${peerName(first.peerId)}, finished by ${peerName(second.peerId)}`).waitFor();
  expect(await article.getAttribute('data-state')).toBe('done');
  expect(await article.locator('.markdown').textContent()).toMatch(new RegExp(`^\\s*${COUNT}\\s*$`));
  expect(complaints).toEqual([]);
});
