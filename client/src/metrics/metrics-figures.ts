/** Figures and moments of the metrics page. */

const COUNT = new Intl.NumberFormat('en');
const DAY = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });
const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** 1,204: counts stand here as they are, so that they can be added up. */
export function formatExact(count: number): string {
  return COUNT.format(count);
}

/** One decimal; '100 %' and '0 %' are said only when they are exactly that. */
export function formatPercent(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  return `${Math.min(99.9, Math.max(0.1, share * 100)).toFixed(1)} %`;
}

/** Thu 19 Nov */
export function formatDay(atMs: number): string {
  return DAY.format(atMs).replace(',', '');
}

/** 19 Nov 2026 */
export function formatDate(atMs: number): string {
  return DATE.format(atMs);
}

/** 14:05 */
export function formatTime(atMs: number): string {
  return TIME.format(atMs);
}
