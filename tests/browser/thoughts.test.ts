/** Thoughts in the chat: told apart, folded into one line, live while it thinks. */
import AxeBuilder from '@axe-core/playwright';
import { AnswerText, type Engine, type EngineEvent } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openChat } from '../setup/chat-page.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const WRITTEN = [
  '<think>',
  '\n',
  'Let me',
  ' see.',
  '|',
  ' Two.',
  '\n',
  '</think>',
  '\n\n',
  'It is',
  ' two.',
  '|',
  ' Yes.',
];

let entry: Entry;
let chatter: Profile;
let member: ReturnType<typeof startMember>;
let goOn: () => void = () => {};

beforeAll(async () => {
  entry = await startTestEntry();
  chatter = await openProfile();
  member = startMember(entry.url, thinker());
  await untilMesh(entry.mesh, () => entry.mesh.models().length > 0);
});
afterAll(async () => {
  await chatter?.[Symbol.asyncDispose]();
  await member?.close();
  await entry?.close();
});

/** Waits at each `|` until the test says so. */
function thinker(): Engine {
  const { model, ...engine } = createEchoEngine('thinker', 0);
  return {
    ...engine,
    model,
    async *generate() {
      const ready: EngineEvent[] = [];
      const text = new AnswerText([], (event) => ready.push(event));
      for (const token of WRITTEN) {
        if (token === '|') {
          await new Promise<void>((resolve) => {
            goOn = resolve;
          });
          continue;
        }
        text.push(token, 1);
        yield* ready.splice(0);
      }
      text.end(text.tokenCount);
      yield* ready.splice(0);
      const usage = { promptTokens: 1, completionTokens: text.tokenCount, cachedTokens: 0 };
      yield { type: 'end', reason: 'stop', usage };
    },
  };
}

it('TH28: are one line that opens, live while it thinks and told with their time afterwards', async () => {
  const { page, context, complaints } = chatter;
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const violations = async () =>
    (await new AxeBuilder({ page }).analyze()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  await openChat(page, entry.url);
  await page.getByRole('combobox', { name: 'Model' }).selectOption('thinker');
  const box = page.getByRole('textbox', { name: 'Message' });
  await box.fill('How many?');
  await box.press('Enter');
  const article = page.getByRole('log').locator('article[data-role="assistant"]');
  const line = article.getByTestId('thoughts');

  await line.getByText('Thinking …').waitFor();
  expect(await article.getByText('Let me see.').count()).toBe(0);
  await line.click();
  await article.getByText('Let me see.').waitFor();
  expect(await violations()).toEqual([]);

  goOn();
  await article.getByText('Let me see. Two.').waitFor();
  await line.getByText(/^Thought for /).waitFor();
  const answer = article.locator('p', { hasText: 'It is two.' });
  await answer.waitFor();
  expect(await article.getAttribute('data-state')).toBe('streaming');
  const before = await answer.boundingBox();

  goOn();
  await article.and(page.locator('[data-state="done"]')).waitFor();
  await article.getByText('It is two. Yes.').waitFor();
  expect(await answer.boundingBox()).toMatchObject({ x: before?.x, y: before?.y });
  expect(await article.textContent()).not.toContain('think>');
  await article.getByRole('button', { name: 'Copy' }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('It is two. Yes.');

  await page.reload();
  await line.getByText(/^Thought for /).waitFor();
  expect(await article.getByText('Let me see.').count()).toBe(0);
  await line.press('Enter');
  await article.getByText('Let me see. Two.').waitFor();
  expect(await violations()).toEqual([]);
  expect(complaints).toEqual([]);
});
