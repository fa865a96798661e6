/** The web app as a person uses it: through roles and names only. */
import type { Locator, Page } from 'playwright';

export async function openChat(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole('textbox', { name: 'Message' }).waitFor();
}

/** Sends a message and returns its finished answer. */
export async function ask(page: Page, text: string): Promise<Answer> {
  const answers = page.locator('[role="log"] article[data-role="assistant"]');
  const before = await answers.count();
  const box = page.getByRole('textbox', { name: 'Message' });
  await box.fill(text);
  await box.press('Enter');
  const article = answers.nth(before);
  await article.and(page.locator(':not([data-state="streaming"])')).waitFor();
  return {
    article,
    state: (await article.getAttribute('data-state')) ?? '',
    text: (await article.textContent()) ?? '',
    servedBy: await article
      .getByTestId('served-by')
      .textContent({ timeout: 2_000 })
      .then((text) => text ?? '')
      .catch(() => ''),
  };
}

export interface Answer {
  readonly article: Locator;
  readonly state: string;
  readonly text: string;
  readonly servedBy: string;
}

/** What an answer's 'why?' tells, row by row: the peer, the reason, and the figures as they are shown. */
export async function explanationOf({ article }: Answer): Promise<ExplainedPeer[]> {
  await article.getByRole('button', { name: 'why?' }).click();
  const table = article.getByRole('dialog', { name: 'Why this peer' }).getByRole('table');
  const rows = await table.locator('tbody tr').all();
  const explained = await Promise.all(
    rows.map(async (row): Promise<ExplainedPeer> => {
      const [peer = '', ...verdict] = ((await row.getByRole('rowheader').textContent()) ?? '').trim().split(/\s+/);
      const [expected = '', , , wait = '', , , measuredBy = ''] = await row.getByRole('cell').allTextContents();
      return { peer, verdict: verdict.join(' '), expected, wait, measuredBy };
    }),
  );
  await article.page().keyboard.press('Escape');
  return explained;
}

export interface ExplainedPeer {
  readonly peer: string;
  readonly verdict: string;
  readonly expected: string;
  readonly wait: string;
  readonly measuredBy: string;
}

/** Lends the tab with the named model and resolves once it serves. */
export async function startLending(page: Page, url: string, model: RegExp): Promise<void> {
  await page.goto(`${url}/contribute`);
  await page.getByRole('radio', { name: model }).first().check();
  await page.getByRole('button', { name: 'Start contributing' }).click();
  await page.getByRole('button', { name: 'Stop contributing' }).waitFor();
}
