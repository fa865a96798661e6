/** What the browser and the device do to a tab that lends: it hands its answers over, waits, and comes back. */
import { ModelId } from '@tabmesh/shared';
import { createScriptedEngine, ManualClock, type VirtualAnswer } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { type PauseReason, pauseWords } from '../src/lend/lifecycle.ts';
import { type PagePort, watchTab } from '../src/lend/lifecycle-page.ts';
import { createLifecycleClock, type TimerWorker } from '../src/mesh/lifecycle-clock.ts';
import { PAUSE_SWITCHES, type PauseSwitch } from '../src/settings/pause-switch.ts';
import { createLendingTab } from './lending-tab.ts';
import { createScriptedTab } from './scripted-tab.ts';

const question = {
  model: ModelId.parse('scripted-model'),
  messages: [{ role: 'user' as const, content: 'How do peers find each other?' }],
  temperature: 0,
};

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Alice lends her tab. */
async function setUp(...pauseOn: PauseSwitch[]) {
  const lending = createLendingTab({}, pauseOn);
  closing.push(lending.close);
  await lending.start();
  return lending;
}

type Lending = Awaited<ReturnType<typeof setUp>>;

/** Carol gets an answer from Alice's tab, and Bob could go on with it. */
async function answerInTheMiddle({ virtual, clock, member }: Lending): Promise<VirtualAnswer> {
  const carol = virtual.member('carol');
  await clock.advance(1_000);
  const answer = virtual.ask(carol, question);
  await clock.advance(1_500);
  virtual
    .member('bob', 'native')
    .addEngine(createScriptedEngine({ clock, scenario: 'steady', tokenIntervalMs: 100, tokens: 40 }));
  await clock.advance(1_000);
  expect(routes(answer)).toEqual([member.peerId]);
  return answer;
}

const routes = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));

/** The answer of an engine that nothing happens to. */
async function undisturbed(): Promise<string> {
  const lending = await setUp();
  const answer = lending.virtual.ask(lending.member, question);
  await lending.clock.advance(10_000);
  expect(answer.state).toBe('done');
  return answer.text;
}

describe('a lending tab', () => {
  it('LC1: pauses on battery, says so, and serves again when plugged in', async () => {
    const { clock, tab, contribution, served, phase, log } = await setUp('battery');
    tab.unplug();
    expect(contribution.phase).toEqual({ state: 'paused', label: 'scripted-model', reasons: ['battery'] });
    await clock.advance(1_000);
    expect(served()).toEqual([]);

    tab.plugIn();
    await clock.advance(1_000);
    expect(phase()).toBe('serving');
    expect(served()).toEqual(['scripted-model']);
    expect(log).toEqual(['loaded']);
  });

  it('LC1: pauses on a metered network, and where data is to be saved', async () => {
    const { clock, tab, phase, contribution } = await setUp('metered');
    tab.network('cellular');
    expect(phase()).toBe('paused');
    tab.network('wifi', true);
    expect(contribution.phase).toMatchObject({ reasons: ['metered'] });
    tab.network('wifi');
    await clock.advance(1_000);
    expect(phase()).toBe('serving');
  });

  it('LC1: waits until the last of its reasons is over', async () => {
    const { clock, tab, contribution, phase } = await setUp('battery', 'hidden');
    tab.unplug();
    tab.hide();
    expect(contribution.phase).toMatchObject({ reasons: ['battery', 'hidden'] });
    tab.plugIn();
    await clock.advance(1_000);
    expect(contribution.phase).toMatchObject({ reasons: ['hidden'] });
    tab.show();
    await clock.advance(1_000);
    expect(phase()).toBe('serving');
  });

  it('LC1: that is started while a reason holds waits for its end', async () => {
    const lending = createLendingTab({}, ['battery']);
    closing.push(lending.close);
    lending.tab.unplug();
    await lending.start();
    expect(lending.phase()).toBe('paused');
    expect(lending.served()).toEqual([]);
    lending.tab.plugIn();
    await lending.clock.advance(1_000);
    expect(lending.phase()).toBe('serving');
  });

  it('LC2: goes on, hidden and on battery, as long as its user switched nothing on', async () => {
    const { clock, tab, served, phase } = await setUp();
    tab.hide();
    tab.unplug();
    tab.network('cellular');
    await clock.advance(600_000);
    expect(phase()).toBe('serving');
    expect(served()).toEqual(['scripted-model']);
  });

  it('LC2: pauses at once when the switch of a reason that holds is turned, and goes on when it is turned back', async () => {
    const { clock, tab, contribution, preferences, phase } = await setUp();
    tab.unplug();
    contribution.setPauseOn('battery', true);
    expect(phase()).toBe('paused');
    expect([...preferences.pauseOn]).toEqual(['battery']);
    contribution.setPauseOn('battery', false);
    await clock.advance(1_000);
    expect(phase()).toBe('serving');
  });

  it('LC3: lets answers that run here end for ten seconds, and takes no new ones', async () => {
    const lending = await setUp('battery');
    const answer = await answerInTheMiddle(lending);
    lending.tab.unplug();
    await lending.clock.advance(10_000);
    expect(answer.state).toBe('done');
    expect(routes(answer)).toEqual([lending.member.peerId]);
    expect(lending.phase()).toBe('paused');
  });

  it('LC3: that may go on before they have ended serves again right after them', async () => {
    const lending = await setUp('battery');
    const answer = await answerInTheMiddle(lending);
    lending.tab.unplug();
    lending.tab.plugIn();
    expect(lending.contribution.phase).toMatchObject({ state: 'paused', reasons: [] });
    await lending.clock.advance(10_000);
    expect(answer.state).toBe('done');
    expect(lending.phase()).toBe('serving');
  });

  it('LC4: hands its answers over at once when the browser freezes it, whatever the switches', async () => {
    const whole = await undisturbed();
    const lending = await setUp();
    const answer = await answerInTheMiddle(lending);
    lending.tab.freeze();
    expect(lending.contribution.phase).toMatchObject({ state: 'paused', reasons: ['frozen'] });
    await lending.clock.advance(100);
    expect(routes(answer)).toHaveLength(2);
    await lending.clock.advance(10_000);
    expect(answer).toMatchObject({ state: 'done', text: whole });

    lending.tab.resume();
    await lending.clock.advance(1_000);
    expect(lending.phase()).toBe('serving');
  });

  it('LC5: serves on Resume now although a reason holds, until that reason comes anew', async () => {
    const { clock, tab, contribution, served, phase } = await setUp('battery');
    tab.unplug();
    await clock.advance(1_000);
    contribution.resumeNow();
    await clock.advance(1_000);
    expect(phase()).toBe('serving');
    expect(served()).toEqual(['scripted-model']);
    tab.plugIn();
    expect(phase()).toBe('serving');
    tab.unplug();
    expect(phase()).toBe('paused');
  });

  it('LC6: that is paused ends with Stop, which closes its engine', async () => {
    const { clock, tab, contribution, log, phase } = await setUp('battery');
    tab.unplug();
    const stopping = contribution.stop();
    await clock.advance(10_000);
    await stopping;
    expect(phase()).toBe('idle');
    expect(log).toEqual(['loaded', 'closed', 'unlocked']);
    tab.plugIn();
    await clock.advance(1_000);
    expect(phase()).toBe('idle');
  });

  it('LC6: is not measured while it is paused', async () => {
    const { clock, tab, member } = await setUp('battery');
    tab.unplug();
    await clock.advance(120_000);
    tab.plugIn();
    await clock.advance(1_000);
    expect(member.peers()[0]?.announcement.models[0]?.baseline).toBeNull();
  });

  it('LC7: hands its answers over at once when its page goes', async () => {
    const whole = await undisturbed();
    const lending = await setUp();
    const answer = await answerInTheMiddle(lending);
    void lending.contribution.close();
    void lending.mesh.close();
    await lending.clock.advance(100);
    expect(routes(answer)).toHaveLength(2);
    await lending.clock.advance(10_000);
    expect(answer).toMatchObject({ state: 'done', text: whole });
    expect(lending.log).toEqual(['loaded', 'closed', 'unlocked']);
  });

  it('LC8: hands its answers over when its engine breaks', async () => {
    const whole = await undisturbed();
    const lending = await setUp();
    const answer = await answerInTheMiddle(lending);
    lending.lose();
    await lending.clock.advance(10_000);
    expect(routes(answer)).toHaveLength(2);
    expect(answer).toMatchObject({ state: 'done', text: whole });
    expect(lending.phase()).toBe('serving');
  });
});

describe('the conditions of a tab', () => {
  it('LC11: are unknown where the browser does not tell, and nothing pauses on them', async () => {
    const page = createScriptedTab().page;
    const bare: PagePort = { document: page.document, navigator: {} };
    expect(watchTab(bare).conditions()).toEqual({ frozen: false, hidden: false, battery: null, metered: null });
    const forbidden: PagePort = {
      document: page.document,
      navigator: { getBattery: () => Promise.reject(new Error('not allowed')) },
    };
    const watched = watchTab(forbidden);
    await Promise.resolve();
    expect(watched.conditions().battery).toBeNull();
  });

  it('LC11: are not watched any longer after closing', async () => {
    const tab = createScriptedTab();
    const watched = watchTab(tab.page);
    await Promise.resolve();
    let changes = 0;
    watched.onChange(() => {
      changes += 1;
    });
    tab.unplug();
    expect(changes).toBe(1);
    watched.close();
    tab.plugIn();
    tab.freeze();
    expect(changes).toBe(1);
  });

  it('LC1: each have a sentence that says what the tab waits for', () => {
    expect(pauseWords(['battery'])).toEqual({ why: 'Paused: on battery.', until: 'Resumes when plugged in.' });
    expect(pauseWords(['battery', 'metered'])).toEqual({
      why: 'Paused: on battery and on a metered network.',
      until: 'Resumes when plugged in and when on another network.',
    });
    const reasons: readonly PauseReason[] = [...PAUSE_SWITCHES, 'frozen'];
    for (const reason of reasons) expect(pauseWords([reason]).until).toMatch(/^Resumes when .+\.$/);
  });
});

describe('the clock of a tab', () => {
  /** A page whose own timers stand still while it is hidden, and a worker whose timers the test turns. */
  function setUpClock() {
    const page = new ManualClock();
    const inWorker = new ManualClock();
    const document = { visibilityState: 'visible' };
    const cancels = new Map<number, () => void>();
    let workers = 0;
    const clock = createLifecycleClock({
      clock: page,
      document,
      openWorker(): TimerWorker {
        workers += 1;
        let tell = (_id: number) => {};
        return {
          postMessage(command) {
            cancels.get(command.id)?.();
            if (command.type === 'set') {
              cancels.set(
                command.id,
                inWorker.after(command.delayMs, () => tell(command.id)),
              );
            }
          },
          addEventListener: (_type, listener) => {
            tell = (data) => listener({ data });
          },
        };
      },
    });
    return { clock, page, inWorker, document, workers: () => workers };
  }

  it('LC18: goes on while the page is hidden and its own timers stand still', async () => {
    const { clock, page, inWorker, document, workers } = setUpClock();
    const rung: string[] = [];
    clock.after(10, () => rung.push('visible'));
    await page.advance(10);
    expect(workers()).toBe(0);
    document.visibilityState = 'hidden';
    clock.after(10, () => rung.push('hidden'));
    clock.after(20, () => rung.push('again'));
    await inWorker.advance(20);
    expect(rung).toEqual(['visible', 'hidden', 'again']);
    expect(workers()).toBe(1);
    expect(page.pendingTimers()).toBe(0);
  });

  it('LC18: rings once, whichever timer is first, and not at all when it is cancelled', async () => {
    const { clock, page, inWorker, document } = setUpClock();
    document.visibilityState = 'hidden';
    let rung = 0;
    clock.after(10, () => {
      rung += 1;
    });
    await page.advance(10);
    await inWorker.advance(10);
    expect(rung).toBe(1);
    const cancel = clock.after(10, () => {
      rung += 1;
    });
    cancel();
    cancel();
    await page.advance(10);
    await inWorker.advance(10);
    expect(rung).toBe(1);
    expect(page.pendingTimers() + inWorker.pendingTimers()).toBe(0);
  });
});
