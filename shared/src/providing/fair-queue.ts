/**
 * The line of jobs that wait for a slot. Askers take turns in it, and within the turns of one asker its clients do, so that
 * who asks much waits behind who asks little. A full line makes room for a newcomer by whoever has most in it.
 */
import type { JobSink } from '../jobs/job-sink.ts';
import { MAX_QUEUE_CLIENTS } from '../limits.ts';

export interface Waiting {
  readonly sink: JobSink;
  /** As the asker tells its clients apart; one that asks for itself has none. */
  readonly client: string | undefined;
}

export class FairQueue<Job extends Waiting> {
  /** In the order of arrival. */
  readonly #jobs: Job[] = [];
  /** When each asker and each of its clients had its last turn, as a count of turns; forgotten when nobody waits. */
  readonly #turns = new Map<JobSink, { last: number; readonly clients: Map<string | undefined, number> }>();
  #turn = 0;

  get length(): number {
    return this.#jobs.length;
  }

  find(isWanted: (job: Job) => boolean): Job | undefined {
    return this.#jobs.find(isWanted);
  }

  /** The asker is gone, its jobs too. */
  forget(sink: JobSink): void {
    this.#turns.delete(sink);
  }

  /** In the order of arrival. */
  all(): Job[] {
    return [...this.#jobs];
  }

  add(job: Job): void {
    this.#jobs.push(job);
  }

  /** Whether it was there. */
  remove(job: Job): boolean {
    const at = this.#jobs.indexOf(job);
    if (at !== -1) this.#jobs.splice(at, 1);
    return at !== -1;
  }

  /** Takes out the job whose turn it is. */
  next(): Job | undefined {
    let [next] = this.#jobs;
    for (const job of this.#jobs) if (next !== undefined && this.#isBefore(job, next)) next = job;
    if (next === undefined) {
      this.#turns.clear();
      return undefined;
    }
    this.remove(next);
    this.#turn += 1;
    const turns = this.#turns.get(next.sink) ?? { last: 0, clients: new Map() };
    turns.last = this.#turn;
    if (turns.clients.size >= MAX_QUEUE_CLIENTS) turns.clients.clear();
    turns.clients.set(next.client, this.#turn);
    this.#turns.set(next.sink, turns);
    return next;
  }

  /** How many jobs go before one that joins the line now. */
  before({ sink, client }: Waiting): number {
    const [clients, sinks] = this.#counts(sink);
    const own = clients.get(client) ?? 0;
    let within = own;
    for (const [other, count] of clients) if (other !== client) within += Math.min(count, own + 1);
    let all = within;
    for (const [other, count] of sinks) if (other !== sink) all += Math.min(count, within + 1);
    return all;
  }

  /** The job that should give way to the newcomer, because its asker or client has more waiting even then. */
  lessEntitled({ sink, client }: Waiting): Job | undefined {
    const [clients, sinks] = this.#counts(sink);
    const [heavySink, most] = largest(sinks) ?? [sink, 0];
    if (most > (sinks.get(sink) ?? 0) + 1) {
      const [heavyClient] = largest(this.#counts(heavySink)[0]) ?? [undefined];
      return this.#newest(heavySink, heavyClient);
    }
    const [heavyClient, mostOfSink] = largest(clients) ?? [client, 0];
    return mostOfSink > (clients.get(client) ?? 0) + 1 ? this.#newest(sink, heavyClient) : undefined;
  }

  #isBefore(a: Job, b: Job): boolean {
    const [ofA, ofB] = [this.#turns.get(a.sink), this.#turns.get(b.sink)];
    if (a.sink !== b.sink) return (ofA?.last ?? 0) < (ofB?.last ?? 0);
    return (ofA?.clients.get(a.client) ?? 0) < (ofA?.clients.get(b.client) ?? 0);
  }

  /** Waiting jobs of each client of one asker, and of each asker. */
  #counts(of: JobSink): [Map<string | undefined, number>, Map<JobSink, number>] {
    const clients = new Map<string | undefined, number>();
    const sinks = new Map<JobSink, number>();
    for (const { sink, client } of this.#jobs) {
      sinks.set(sink, (sinks.get(sink) ?? 0) + 1);
      if (sink === of) clients.set(client, (clients.get(client) ?? 0) + 1);
    }
    return [clients, sinks];
  }

  #newest(sink: JobSink, client: string | undefined): Job | undefined {
    return this.#jobs.findLast((job) => job.sink === sink && job.client === client);
  }
}

function largest<Key>(counts: ReadonlyMap<Key, number>): [Key, number] | undefined {
  let most: [Key, number] | undefined;
  for (const entry of counts) if (most === undefined || entry[1] > most[1]) most = entry;
  return most;
}
