/** Colours for code. Loaded when the first finished code block is on the page. */
import { systemClock } from '@tabmesh/shared';
import { CodeColours } from './code-colours.ts';
import type { ColouredCode } from './highlight-worker.ts';

export const codeColours = new CodeColours((answered, failed) => {
  const worker = new Worker(new URL('./highlight-worker.ts', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<ColouredCode>) => answered(data));
  worker.addEventListener('error', failed);
  return { send: (code) => worker.postMessage(code), end: () => worker.terminate() };
}, systemClock);
