/** The timers of a hidden page, see `lifecycle-clock.ts`. */
import type { TimerCommand } from './lifecycle-clock.ts';

const timers = new Map<number, ReturnType<typeof setTimeout>>();

addEventListener('message', ({ data }: MessageEvent<TimerCommand>) => {
  clearTimeout(timers.get(data.id));
  timers.delete(data.id);
  if (data.type === 'clear') return;
  const timer = setTimeout(() => {
    timers.delete(data.id);
    postMessage(data.id);
  }, data.delayMs);
  timers.set(data.id, timer);
});
