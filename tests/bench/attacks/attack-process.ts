/** All attackers, in a process of their own: one attack at a time. */
import { answerCalls } from '../run/answer-calls.ts';
import { attacks } from './all.ts';

export type AttackCalls = {
  names(): readonly string[];
  /** Resolves once it is under way. */
  start(options: { name: string; url: string }): Promise<void>;
  /** Resolves once nothing of it is left. */
  stop(): Promise<void>;
};

let stop: () => Promise<void> = async () => {};

answerCalls<AttackCalls>({
  names: () => attacks.map(({ name }) => name),
  async start({ name, url }) {
    const attack = attacks.find((one) => one.name === name);
    if (attack === undefined) throw new Error(`There is no attack '${name}'.`);
    stop = await attack.start(url);
  },
  async stop() {
    await stop();
    stop = async () => {};
  },
});
