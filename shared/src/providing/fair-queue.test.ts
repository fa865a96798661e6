/** Whose turn it is, and who gives way. */
import { describe, expect, it } from 'vitest';
import type { JobSink } from '../jobs/job-sink.ts';
import { FairQueue } from './fair-queue.ts';

const sink = (): JobSink => ({ isOpen: true, send() {}, ready: () => undefined });
const [entry, tab] = [sink(), sink()];
const job = (name: string, asker: JobSink, client?: string) => ({ name, sink: asker, client });
type Job = ReturnType<typeof job>;

function queueOf(...jobs: Job[]): FairQueue<Job> {
  const queue = new FairQueue<Job>();
  for (const one of jobs) queue.add(one);
  return queue;
}

function takeAll(queue: FairQueue<Job>): string[] {
  const names: string[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) names.push(next.name);
  return names;
}

describe('a line', () => {
  it('PR32: gives turns to askers, and within the turns of one to its clients', () => {
    const heavy = [1, 2, 3].map((number) => job(`heavy ${number}`, entry, 'heavy'));
    const queue = queueOf(...heavy, job('light', entry, 'light'), job('tab 1', tab), job('tab 2', tab));
    expect(takeAll(queue)).toEqual(['heavy 1', 'tab 1', 'light', 'tab 2', 'heavy 2', 'heavy 3']);
    expect(queue.length).toBe(0);
  });

  it('PR32: tells a newcomer how many go before it', () => {
    const queue = queueOf(...[1, 2, 3, 4].map((number) => job(`heavy ${number}`, entry, 'heavy')));
    expect(queue.before(job('fifth', entry, 'heavy'))).toBe(4);
    expect(queue.before(job('light', entry, 'light'))).toBe(1);
    expect(queue.before(job('tab', tab))).toBe(1);
    expect(new FairQueue<Job>().before(job('first', tab))).toBe(0);
  });

  it('PR31: makes room at the cost of who has most, and of their newest', () => {
    const queue = queueOf(job('a', entry, 'heavy'), job('b', entry, 'heavy'), job('c', entry, 'light'));
    expect(queue.lessEntitled(job('new', tab))?.name).toBe('b');
    expect(queue.lessEntitled(job('new', entry, 'third'))?.name).toBe('b');
  });

  it('PR31: makes no room for who would then have as much as the one that leaves had', () => {
    const queue = queueOf(job('a', entry, 'one'), job('b', entry, 'two'), job('c', tab), job('d', tab));
    expect(queue.lessEntitled(job('new', entry, 'one'))).toBeUndefined();
    expect(queue.lessEntitled(job('new', entry, 'three'))).toBeUndefined();
    expect(queue.lessEntitled(job('new', tab))).toBeUndefined();
    expect(queue.lessEntitled(job('new', sink()))?.name).toBe('a');
  });

  it('PR31: lets nobody gain by naming many clients', () => {
    const queue = queueOf(...Array.from({ length: 4 }, (_, index) => job(`${index}`, entry, `client ${index}`)));
    expect(queue.lessEntitled(job('new', tab))?.sink).toBe(entry);
    expect(queue.before(job('new', tab))).toBe(1);
  });
});
