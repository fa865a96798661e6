/**
 * Asks HTTP endpoints: one request after the other under its own stopwatch, because autocannon rounds to whole
 * milliseconds, and many at a time with autocannon.
 */
import { Agent, request } from 'node:http';
import autocannon from 'autocannon';
import { answerCalls } from '../run/answer-calls.ts';

export interface Endpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RequestTimes {
  /** Send to the first byte of the body. */
  readonly firstByteMs: number[];
  readonly totalMs: number[];
}

export type LoadCalls = {
  /** The body of one answer. */
  ask(endpoint: Endpoint): Promise<string>;
  /** One request after the other; with several endpoints, these in turn. */
  oneByOne(options: { endpoints: readonly Endpoint[]; count: number }): Promise<RequestTimes>;
  /** Answers per second. */
  manyAtATime(options: { endpoint: Endpoint; connections: number; seconds: number }): Promise<number>;
};

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

answerCalls<LoadCalls>({
  ask: async (endpoint) => (await send(endpoint)).body,
  async oneByOne({ endpoints, count }) {
    const times: RequestTimes = { firstByteMs: [], totalMs: [] };
    for (let index = 0; index < count; index += 1) {
      const { firstByteMs, totalMs } = await send(endpoints[index % endpoints.length] as Endpoint);
      times.firstByteMs.push(firstByteMs);
      times.totalMs.push(totalMs);
    }
    return times;
  },
  async manyAtATime({ endpoint, connections, seconds }) {
    const report = await autocannon({ ...endpoint, method: 'POST', connections, duration: seconds, sampleInt: 250 });
    const failed = report.errors + report.timeouts + report.non2xx;
    if (failed > 0) throw new Error(`${failed} of ${report.requests.total} requests to ${endpoint.url} failed.`);
    return report.requests.total / report.duration;
  },
});

function send({ url, headers, body }: Endpoint): Promise<{ body: string; firstByteMs: number; totalMs: number }> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let firstByteMs = 0;
    let text = '';
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        if (firstByteMs === 0) firstByteMs = performance.now() - startMs;
        text += part;
      });
      response.on('error', reject);
      response.on('end', () => {
        const totalMs = performance.now() - startMs;
        if (response.statusCode === 200) resolve({ body: text, firstByteMs, totalMs });
        else reject(new Error(`${url} answered ${response.statusCode}: ${text.slice(0, 500)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
