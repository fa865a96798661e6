/**
 * When a tab that could lend holds back: what the browser and the device say, against what the user wants. Pure; who
 * reads the browser is `lifecycle-page.ts`.
 */
import { PAUSE_SWITCHES, type PauseSwitch } from '../settings/pause-switch.ts';

/** `frozen`: the browser has stopped the page's work. That is not the user's to switch. */
export type PauseReason = PauseSwitch | 'frozen';

/** null: this browser does not tell. */
export interface TabConditions {
  readonly frozen: boolean;
  readonly hidden: boolean;
  readonly battery: boolean | null;
  readonly metered: boolean | null;
}

/** Where the conditions come from. */
export interface TabLifecycle {
  conditions(): TabConditions;
  /** Called after each change, at the very event: a page that freezes does nothing more once its handlers return. */
  onChange(listener: () => void): () => void;
  close(): void;
}

/** Empty: nothing is in the way. `overruled`: the user said 'resume now' while it held. */
export function pauseReasons(
  conditions: TabConditions,
  pauseOn: ReadonlySet<PauseSwitch>,
  overruled: ReadonlySet<PauseSwitch>,
): PauseReason[] {
  const wanted = PAUSE_SWITCHES.filter((reason) => conditions[reason] && pauseOn.has(reason) && !overruled.has(reason));
  return conditions.frozen ? ['frozen', ...wanted] : wanted;
}

/** Ends in a full stop each: what holds the tab back, and when it comes back by itself. */
export function pauseWords(reasons: readonly PauseReason[]): { readonly why: string; readonly until: string } {
  if (reasons.length === 0) return { why: 'Resuming.', until: 'The answers that still run here end first.' };
  const join = (part: 'why' | 'until') => reasons.map((reason) => WORDS[reason][part]).join(' and ');
  return { why: `Paused: ${join('why')}.`, until: `Resumes ${join('until')}.` };
}

const WORDS: Record<PauseReason, { readonly why: string; readonly until: string }> = {
  battery: { why: 'on battery', until: 'when plugged in' },
  metered: { why: 'on a metered network', until: 'when on another network' },
  hidden: { why: 'this tab is hidden', until: 'when it is shown' },
  frozen: { why: 'the browser froze this tab', until: 'when the browser lets it go on' },
};
