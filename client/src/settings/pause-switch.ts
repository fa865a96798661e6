/** What a lending tab may be told to pause on, in the order in which it is shown. */
export const PAUSE_SWITCHES = ['battery', 'metered', 'hidden'] as const;
export type PauseSwitch = (typeof PAUSE_SWITCHES)[number];
