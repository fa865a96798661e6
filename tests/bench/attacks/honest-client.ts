/** Somebody who asks a short question every 25 milliseconds, whatever became of the one before, and counts the answers. */
import { Agent, request } from 'node:http';

const EVERY_MS = 25;
/** A reader has left by then. */
const PATIENCE_MS = 15_000;

export interface HonestClient {
  /** Resolves when every question of that time has its answer, or was lost: why, of each. */
  observe(forMs: number): Promise<{ readonly answersMs: number[]; readonly lost: string[] }>;
  close(): void;
}

export function startHonestClient(entryUrl: string, model: string): HonestClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Are you there?' }] });
  const ask = () =>
    new Promise<number>((resolve, reject) => {
      const startMs = performance.now();
      const sent = request(
        `${entryUrl}/v1/chat/completions`,
        {
          method: 'POST',
          agent,
          headers: { 'content-type': 'application/json' },
          signal: AbortSignal.timeout(PATIENCE_MS),
          ...ownAddress(),
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => {
            text += part;
          });
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode === 200) resolve(performance.now() - startMs);
            else reject(new Error(`${response.statusCode}: ${text.slice(0, 300)}`));
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  return {
    async observe(forMs) {
      const answersMs: number[] = [];
      const lost: string[] = [];
      const asked: Promise<void>[] = [];
      await new Promise<void>((resolve) => {
        const timer = setInterval(() => {
          asked.push(
            ask().then(
              (tookMs) => void answersMs.push(tookMs),
              (error) => void lost.push(String(error)),
            ),
          );
        }, EVERY_MS);
        setTimeout(() => {
          clearInterval(timer);
          resolve();
        }, forMs);
      });
      await Promise.all(asked);
      return { answersMs, lost };
    },
    close: () => agent.destroy(),
  };
}

/** Attackers come from 127.0.0.1. Only Linux has all of 127.0.0.0/8; elsewhere the client shares the attackers' limits. */
function ownAddress() {
  return process.platform === 'linux' ? { localAddress: '127.0.0.9' } : {};
}
