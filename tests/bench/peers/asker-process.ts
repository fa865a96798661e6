/** A member in a process of its own that asks, and then is killed or frozen. */
import { answerCalls } from '../run/answer-calls.ts';
import { type Serving, whenLinked } from './bench-mesh.ts';
import { joinFromNode } from './node-mesh.ts';

export type AskerCalls = {
  /** Resolves with the answer's first token; the answer goes on. */
  ask(options: { url: string; serving: Serving; prompt: string }): Promise<void>;
};

answerCalls<AskerCalls>({
  async ask({ url, serving, prompt }) {
    const mesh = joinFromNode(url, 'tab');
    const { signal } = new AbortController();
    await whenLinked(mesh, serving, signal);
    const request = { model: serving.model, messages: [{ role: 'user' as const, content: prompt }] };
    const events = mesh.complete(request, signal)[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await events.next();
      if (done === true) throw new Error('The answer ended without a token.');
      if (value.type === 'tokens') break;
    }
    void readOn(events);
  },
});

async function readOn(events: AsyncIterator<unknown>): Promise<void> {
  while ((await events.next()).done !== true);
}
