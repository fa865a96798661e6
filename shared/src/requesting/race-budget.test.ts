import { describe, expect, it } from 'vitest';
import { RaceBudget } from './race-budget.ts';

describe('the budget of races', () => {
  const racesOf = (answers: number, budget = new RaceBudget()) => {
    let races = 0;
    for (let answer = 0; answer < answers; answer += 1) {
      budget.earn();
      if (budget.spend()) races += 1;
    }
    return races;
  };

  it('RC4: lets one of twenty answers race, the very first ones too', () => {
    expect(racesOf(1)).toBe(1);
    expect(racesOf(10_000)).toBeLessThanOrEqual(501);
    expect(racesOf(10_000)).toBeGreaterThanOrEqual(499);
  });

  it('RC4: never races with a share of nothing', () => {
    expect(racesOf(1_000, new RaceBudget(0))).toBe(0);
  });

  it('RC4: saves up three at most', () => {
    const budget = new RaceBudget();
    for (let answer = 0; answer < 10_000; answer += 1) budget.earn();
    expect([budget.spend(), budget.spend(), budget.spend(), budget.spend()]).toEqual([true, true, true, false]);
  });
});
