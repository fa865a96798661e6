import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { type Message, pendingAnswer, userMessage } from '../src/conversations/conversation.ts';
import type { ConversationStorage } from '../src/conversations/conversation-storage.ts';
import { ConversationStore } from '../src/conversations/conversation-store.ts';
import { createMemoryStorage } from '../src/conversations/memory-storage.ts';
import { Conversations } from '../src/open-conversations/conversations.svelte.ts';
import { createBrowserTabs } from './browser-tabs.ts';

/** The tabs of one browser: they share storage and hear of each other's changes. */
function createBrowser() {
  const clock = new ManualClock();
  const memory = createMemoryStorage();
  const writes: Message[] = [];
  const storage: ConversationStorage = {
    ...memory,
    durable: true,
    putMessage(head, position, message) {
      writes.push(message);
      return memory.putMessage(head, position, message);
    },
  };
  const tabs = createBrowserTabs();
  let ids = 0;
  const openTab = () => {
    const tab = tabs.open();
    const conversations = new Conversations({
      store: new ConversationStore({ storage: Promise.resolve(storage), tabs: tab, clock }),
      newId: () => `id-${++ids}`,
      now: () => new Date(clock.wallMs()),
      onRemove() {},
    });
    return Object.assign(conversations, { crash: tab.close });
  };
  return { clock, storage, writes, openTab };
}

const question = (id: string) => userMessage(id, 'What does the router measure?', null, new Date(0));

describe('conversations', () => {
  it('UI14: survive a reload, message by message', async () => {
    const { clock, openTab } = createBrowser();
    const tab = openTab();
    const thread = tab.create('What does the router measure?');
    tab.append(thread, question('1'));
    await clock.advance(0);

    const reloaded = openTab();
    const again = reloaded.thread(thread.id);
    await clock.advance(0);
    expect(reloaded.list).toMatchObject({ heads: [{ id: thread.id, title: 'What does the router measure?' }] });
    expect(again.messages().map(({ content }) => content)).toEqual(['What does the router measure?']);
  });

  it('UI9: a streaming answer is written at most twice a second, and at once when it ends', async () => {
    const { clock, writes, openTab } = createBrowser();
    const tab = openTab();
    const thread = tab.create('Hi');
    const cell = tab.append(thread, pendingAnswer('answer', new Date(0)));
    for (let token = 0; token < 100; token += 1) {
      cell.value = { ...cell.value, content: `${cell.value.content}x` };
      tab.update(thread, cell);
      await clock.advance(10);
    }
    cell.value = { ...cell.value, status: { state: 'done', finish: 'stop' } };
    tab.update(thread, cell);
    await clock.advance(0);
    // The empty answer, then at 0, 500 and 1000 ms, then the end.
    expect(writes.map(({ content }) => content.length)).toEqual([0, 1, 50, 100, 100]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('UI15: a deleted conversation is gone, also when its answer is still being written', async () => {
    const { clock, storage, openTab } = createBrowser();
    const tab = openTab();
    const thread = tab.create('Hi');
    const cell = tab.append(thread, pendingAnswer('answer', new Date(0)));
    tab.update(thread, cell);
    await tab.remove(thread.id);
    cell.value = { ...cell.value, content: 'late' };
    tab.update(thread, cell);
    await clock.advance(1_000);
    expect(await storage.conversation(thread.id)).toBeUndefined();
    expect(tab.list).toMatchObject({ heads: [] });
  });

  it('UI15: what one tab deletes, an answer in another tab does not bring back', async () => {
    const { clock, storage, openTab } = createBrowser();
    const alice = openTab();
    const bob = openTab();
    const thread = alice.create('Hi');
    const cell = alice.append(thread, pendingAnswer('answer', new Date(0)));
    alice.update(thread, cell);
    await clock.advance(0);
    await bob.remove(thread.id);
    cell.value = { ...cell.value, content: 'done', status: { state: 'done', finish: 'stop' } };
    alice.update(thread, cell);
    await clock.advance(1_000);
    expect(await storage.heads()).toEqual([]);
  });

  it('UI16: a change in one tab shows in the others', async () => {
    const { clock, openTab } = createBrowser();
    const alice = openTab();
    const bob = openTab();
    const thread = alice.create('Hi');
    alice.append(thread, question('1'));
    await clock.advance(0);
    const seen = bob.thread(thread.id);
    await clock.advance(0);
    expect(seen.messages()).toHaveLength(1);
    alice.truncate(thread, 0);
    await clock.advance(0);
    expect(seen.messages()).toHaveLength(0);
  });

  it('UI17: search finds titles and what was said, whatever the case', async () => {
    const { clock, openTab } = createBrowser();
    const tab = openTab();
    const thread = tab.create('Birds');
    tab.append(thread, { ...pendingAnswer('1', new Date(0)), content: 'A Heron waits.' });
    tab.create('Stones');
    await clock.advance(0);
    expect(await tab.search('hERON')).toEqual(new Set([thread.id]));
    expect(await tab.search('bird')).toEqual(new Set([thread.id]));
    expect(await tab.search('fox')).toEqual(new Set());
  });

  it('UI18: storage that fails is reported, and the page goes on', async () => {
    const { clock, storage, openTab } = createBrowser();
    storage.putConversation = async () => {
      throw new DOMException('quota', 'QuotaExceededError');
    };
    const tab = openTab();
    const thread = tab.create('Hi');
    tab.append(thread, question('1'));
    await clock.advance(0);
    expect(tab.problem).toContain('quota');
    expect(thread.messages()).toHaveLength(1);
  });

  it('UI19: an imported conversation replaces the one of its id and appears in the list', async () => {
    const { clock, openTab } = createBrowser();
    const tab = openTab();
    const thread = tab.create('Hi');
    await clock.advance(0);
    const [exported] = await tab.exportAll();
    expect(exported).toMatchObject({ id: thread.id, messages: [] });
    if (exported !== undefined) await tab.importAll([{ ...exported, title: 'Renamed', messages: [question('1')] }]);
    const again = tab.thread(thread.id);
    await clock.advance(0);
    expect(tab.list).toMatchObject({ heads: [{ title: 'Renamed' }] });
    expect(again.messages()).toHaveLength(1);
  });

  it('UI50: another title is kept, shows in other tabs, and changes nothing else', async () => {
    const { clock, openTab } = createBrowser();
    const tab = openTab();
    const thread = tab.create('Hi');
    tab.append(thread, question('1'));
    await clock.advance(1_000);
    tab.create('Newer');
    const other = openTab();
    const seen = other.thread(thread.id);
    await clock.advance(0);
    tab.rename(thread, 'Rivers');
    await clock.advance(0);
    expect([seen.head?.title, seen.cells.length]).toEqual(['Rivers', 1]);
    expect(other.list).toMatchObject({ heads: [{ title: 'Rivers' }, { title: 'Newer' }] });
    expect(tab.list).toMatchObject({ heads: [{ title: 'Newer' }, { title: 'Rivers' }] });
    await tab.remove(thread.id);
    tab.rename(thread, 'Back');
    await clock.advance(0);
    expect(other.list).toMatchObject({ heads: [{ title: 'Newer' }] });
  });

  it('UI49: a branch holds what was said up to there, and what is done to it leaves the first as it was', async () => {
    const { clock, openTab } = createBrowser();
    const tab = openTab();
    const thread = tab.create('Hi');
    for (const id of ['1', '2', '3']) tab.append(thread, question(id));
    const branch = tab.branch(thread, 1);
    tab.truncate(branch, 1);
    await clock.advance(0);

    const reloaded = openTab();
    const [first, second] = [reloaded.thread(thread.id), reloaded.thread(branch.id)];
    await clock.advance(0);
    expect([first.cells.length, second.cells.length]).toEqual([3, 1]);
    expect(second.head?.title).toBe('Hi');
    expect(second.cells[0]?.id).not.toBe(first.cells[0]?.id);
  });

  it('UI47: an answer that another tab writes is shown as it grows, and settled when it is whole', async () => {
    const { clock, openTab } = createBrowser();
    const alice = openTab();
    const thread = alice.create('Hi');
    const cell = alice.append(thread, pendingAnswer('answer', new Date(0)));
    const end = alice.beginAnswer(thread);
    await clock.advance(0);
    const bob = openTab();
    const seen = bob.thread(thread.id);
    await clock.advance(0);
    expect(seen).toMatchObject({ answeredElsewhere: true, loading: 'ready' });
    expect(seen.messages()).toMatchObject([{ content: '', status: { state: 'streaming' } }]);
    const [shown] = seen.cells;

    cell.value = { ...cell.value, content: 'It measures' };
    alice.update(thread, cell);
    await clock.advance(500);
    expect(seen.messages()).toMatchObject([{ content: 'It measures', status: { state: 'streaming' } }]);
    expect(seen.cells[0]).toBe(shown);

    cell.value = { ...cell.value, content: 'It measures speed.', status: { state: 'done', finish: 'stop' } };
    alice.update(thread, cell);
    end();
    await clock.advance(0);
    expect(seen.answeredElsewhere).toBe(false);
    expect(seen.messages()).toMatchObject([{ content: 'It measures speed.', status: { state: 'done' } }]);
    expect(shown?.value.status.state).toBe('done');
  });

  it('UI47: an answer whose tab dies is shown as cut off in the others', async () => {
    const { clock, openTab } = createBrowser();
    const alice = openTab();
    const thread = alice.create('Hi');
    alice.append(thread, { ...pendingAnswer('answer', new Date(0)), content: 'It mea' });
    alice.beginAnswer(thread);
    const bob = openTab();
    const seen = bob.thread(thread.id);
    await clock.advance(0);
    expect(seen.messages()).toMatchObject([{ status: { state: 'streaming' } }]);
    alice.crash();
    await clock.advance(0);
    expect(seen.answeredElsewhere).toBe(false);
    expect(seen.messages()).toMatchObject([{ content: 'It mea', status: { state: 'error', code: 'cancelled' } }]);
  });

  it('UI47: what another tab changes while this one answers does not touch the answer', async () => {
    const { clock, openTab } = createBrowser();
    const alice = openTab();
    const thread = alice.create('Hi');
    const cell = alice.append(thread, pendingAnswer('answer', new Date(0)));
    alice.beginAnswer(thread);
    await clock.advance(0);
    const bob = openTab();
    const seen = bob.thread(thread.id);
    await clock.advance(0);
    bob.append(seen, question('2'));
    await clock.advance(0);
    expect(thread.cells).toEqual([cell]);
    expect(cell.value.status.state).toBe('streaming');
  });
});
