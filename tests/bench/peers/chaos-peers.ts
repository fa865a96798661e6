/** The peers that `chaos-real` breaks: processes with llama.cpp and tabs with wllama, which serve the same class. */
import { join } from 'node:path';
import { ModelId, PeerId } from '@tabmesh/shared';
import type { Browser } from 'playwright';
import { root, runNode } from '../../setup/command.ts';
import type { BenchContext } from '../run/benchmark.ts';
import type {} from '../tab-page/lender/main.ts';
import type { Serving } from './bench-mesh.ts';

export interface ChaosPeer {
  readonly serving: Serving;
  /** It gets no chance to say goodbye. */
  kill(): Promise<void>;
  /** It drains, its running answers get 200 ms, and leaves. */
  leave(): Promise<void>;
  /** The process, or a tab's answer, stands still. */
  hang(): void;
  wake(): void;
  /** Its next token is the last one before its engine fails. */
  fail(): void;
}

const GRACE_MS = 200;
const model = ModelId.parse('mesh-tiny');

export async function startProcess(
  { onEnd, progress }: BenchContext,
  url: string,
  tokenIntervalMs: number,
): Promise<ChaosPeer> {
  const file = join(root, 'tests/setup/paced-peer.ts');
  const peer = runNode(['--import', 'tsx', file, url, `${tokenIntervalMs}`]);
  let isToEnd = false;
  const end = async () => {
    isToEnd = true;
    await peer[Symbol.asyncDispose]();
  };
  onEnd(end);
  const [, peerId] = await peer.line(/^Serving as (\S+)/);
  void peer.exited().then((code) => {
    if (!isToEnd) progress(`a peer ended by itself (${code}): ${peer.output()}`);
  });
  return {
    serving: { peerId: PeerId.parse(peerId), model, backend: 'llama.cpp' },
    kill: end,
    async leave() {
      isToEnd = true;
      peer.process.kill('SIGCONT');
      peer.process.kill('SIGTERM');
      await peer.exited();
      await end();
    },
    hang: () => void peer.process.kill('SIGSTOP'),
    wake: () => void peer.process.kill('SIGCONT'),
    fail: () => void peer.process.kill('SIGUSR2'),
  };
}

export async function openTab(browser: Browser, url: string, tokenIntervalMs: number): Promise<ChaosPeer> {
  const profile = await browser.newContext();
  const close = () => profile.close();
  try {
    const page = await profile.newPage();
    await page.goto(url);
    const serving = await page.evaluate((ms) => window.lender.lend({ slots: 2, tokenIntervalMs: ms }), tokenIntervalMs);
    const breakNext = (how: 'fails' | 'hangs') =>
      // It may have crashed meanwhile.
      void page.evaluate((breaks) => window.lender.breakAnswers(breaks), { at: 'next', how } as const).catch(() => {});
    return {
      serving,
      async kill() {
        const crashed = page.waitForEvent('crash');
        const session = await profile.newCDPSession(page);
        // There is nobody any more who could answer.
        session.send('Page.crash').catch(() => {});
        await crashed;
        await close();
      },
      async leave() {
        await page.evaluate((ms) => window.lender.drain(ms), GRACE_MS);
        await close();
      },
      hang: () => breakNext('hangs'),
      wake() {},
      fail: () => breakNext('fails'),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
