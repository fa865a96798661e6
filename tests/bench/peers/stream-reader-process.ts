/** Many readers of streamed answers at once: how late is each token where it arrives? */
import { Agent, request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { answerCalls } from '../run/answer-calls.ts';
import { machineMs } from './one-clock.ts';
import { STAMPING_MODEL } from './stamping.ts';

export interface StreamLags {
  /** Of each stream its latest token, in ms behind the moment at which the engine gave it. */
  readonly worstMs: readonly number[];
  /** Of all tokens of all streams, one in eight. */
  readonly sampleMs: readonly number[];
  readonly tokens: number;
}

export type StreamReaderCalls = {
  /** One stream begins every `startMs`. */
  read(options: { url: string; streams: number; startMs: number }): Promise<StreamLags>;
};

const BODY = JSON.stringify({ model: STAMPING_MODEL, stream: true, messages: [{ role: 'user', content: 'Now.' }] });
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) };
const STAMP = /"content":" (\d+\.\d+)((?: \d+\.\d+)*)"/g;
const SAMPLE = 8;

answerCalls<StreamReaderCalls>({
  async read({ url, streams, startMs }) {
    const agent = new Agent({ maxSockets: streams });
    const worstMs: number[] = [];
    const sampleMs: number[] = [];
    let tokens = 0;
    await Promise.all(
      Array.from({ length: streams }, async (_, stream) => {
        worstMs[stream] = 0;
        await setTimeout(stream * startMs);
        await readOne(url, agent, (lateMs) => {
          tokens += 1;
          if (tokens % SAMPLE === 0) sampleMs.push(lateMs);
          worstMs[stream] = Math.max(worstMs[stream] ?? 0, lateMs);
        });
      }),
    );
    agent.destroy();
    return { worstMs, sampleMs, tokens };
  },
});

function readOne(url: string, agent: Agent, onToken: (lateMs: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { method: 'POST', agent, headers: HEADERS }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`HTTP ${response.statusCode}`));
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        const nowMs = machineMs();
        const text = rest + part;
        const end = text.lastIndexOf('\n\n');
        rest = text.slice(end + 2);
        for (const [, first = '', more = ''] of text.slice(0, Math.max(0, end)).matchAll(STAMP)) {
          for (const stamp of [first, ...more.split(' ').slice(1)]) onToken(nowMs - Number(stamp));
        }
      });
      response.on('end', resolve);
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(BODY);
  });
}
