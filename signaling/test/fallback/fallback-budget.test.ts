import { silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { type BudgetRecord, type BudgetStore, createFallbackBudget } from '../../src/fallback/fallback-budget.ts';

describe('the budget of an hour', () => {
  it('FB17: requests at the same moment can not overspend it', async () => {
    const { budget } = start({ perHour: 3 });

    const allowed = await Promise.all(Array.from({ length: 10 }, () => budget.spend('198.51.100.7')));

    expect(allowed.filter(Boolean)).toHaveLength(3);
    expect(await budget.spend('198.51.100.8')).toBe(true);
  });

  it('FB17: addresses of one IPv6 network share it, and IPv4 in IPv6 form is the same address', async () => {
    const { budget } = start({ perHour: 1 });

    const answers = [];
    for (const address of [
      '2001:db8::1',
      '2001:0DB8:0:0:ffff::2',
      '2001:db8:0:1::1',
      '192.0.2.1',
      '::ffff:192.0.2.1',
    ]) {
      answers.push(await budget.spend(address));
    }

    expect(answers).toEqual([true, false, true, true, false]);
  });

  it('FB19: larger IPv6 networks have few budgets, so a household or a tunnel brings no thousands', async () => {
    const { budget } = start({ perHour: 2 });
    const spentFrom = async (addresses: readonly string[]) => {
      let spent = 0;
      for (const address of addresses) if (await budget.spend(address)) spent += 1;
      return spent;
    };
    const hexes = Array.from({ length: 40 }, (_, index) => index.toString(16).padStart(2, '0'));

    const household = await spentFrom(hexes.map((hex) => `2001:db8:1:aa${hex}::1`));
    const tunnel = await spentFrom(hexes.flatMap((hex) => [`2001:db8:2:${hex}00::1`, `2001:db8:2:${hex}01::1`]));
    const many = await spentFrom(hexes.map((hex) => `2001:db8:3${hex}::1`));
    const old = await spentFrom(hexes.map((hex) => `192.0.2.${Number.parseInt(hex, 16)}`));

    expect({ household, tunnel, many, old }).toEqual({ household: 4, tunnel: 16, many: 40, old: 40 });
  });

  it('FB17: what is an hour old, or dated ahead by a clock that was wrong, comes back within an hour', async () => {
    const nowMs = new ManualClock().wallMs();
    const { budget, clock } = start({ perHour: 1, saved: { old: [nowMs - 3_600_000], ahead: [nowMs + 9e9] } });

    expect(await budget.spend('192.0.2.1')).toBe(true);
    expect(await budget.spend('192.0.2.1')).toBe(false);
    await clock.advance(3_600_000);
    expect(await budget.spend('192.0.2.1')).toBe(true);
  });

  it('FB17: a store that fails keeps nobody from spending, and the count stays in memory', async () => {
    const { budget } = start({ perHour: 1, save: () => Promise.reject(new Error('disk full')) });

    expect([await budget.spend('192.0.2.1'), await budget.spend('192.0.2.1')]).toEqual([true, false]);
    await budget.close();
  });

  it('FB17: everything spent is kept once it may be used', async () => {
    const saves: BudgetRecord[] = [];
    const { budget } = start({
      perHour: 5,
      save: async (record) => {
        saves.push(record);
      },
    });

    await Promise.all([budget.spend('192.0.2.1'), budget.spend('192.0.2.2')]);

    expect(Object.keys(saves.at(-1) ?? {})).toEqual(['192.0.2.1', '192.0.2.2']);
  });
});

interface Start {
  readonly perHour: number;
  readonly saved?: BudgetRecord;
  readonly save?: BudgetStore['save'];
}

function start({ perHour, saved = {}, save = async () => {} }: Start) {
  const clock = new ManualClock();
  const budget = createFallbackBudget({
    perHour,
    store: { load: async () => saved, save },
    clock,
    logger: silentLogger,
  });
  return { clock, budget };
}
