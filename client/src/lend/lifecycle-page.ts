/**
 * Reads the conditions of this tab from the browser: Page Lifecycle, Battery Status and Network Information, the last
 * two where there are any. The ports hold only what is used, so that tests drive them.
 */
import type { TabConditions, TabLifecycle } from './lifecycle.ts';

export interface BatteryPort extends EventTarget {
  readonly charging: boolean;
}

export interface ConnectionPort extends EventTarget {
  readonly saveData?: boolean;
  /** Told on phones and Chromebooks only. */
  readonly type?: string;
}

export interface PagePort {
  readonly document: EventTarget & { readonly visibilityState: string };
  readonly navigator: {
    getBattery?(): Promise<BatteryPort>;
    readonly connection?: ConnectionPort;
  };
}

declare global {
  /** Chromium's own; other browsers have neither. */
  interface Navigator {
    getBattery?(): Promise<BatteryPort>;
    readonly connection?: ConnectionPort;
  }
}

export function watchTab({ document, navigator }: PagePort): TabLifecycle {
  const listeners = new Set<() => void>();
  const stopped = new AbortController();
  const { connection } = navigator;
  let frozen = false;
  let battery: BatteryPort | undefined;

  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  const on = (target: EventTarget, type: string, before = () => {}) => {
    const handle = () => {
      before();
      changed();
    };
    target.addEventListener(type, handle, { signal: stopped.signal });
  };

  on(document, 'visibilitychange');
  on(document, 'freeze', () => {
    frozen = true;
  });
  on(document, 'resume', () => {
    frozen = false;
  });
  if (connection !== undefined) on(connection, 'change');
  navigator.getBattery?.().then(
    (found) => {
      if (stopped.signal.aborted) return;
      battery = found;
      on(found, 'chargingchange');
      changed();
    },
    () => {
      // Forbidden by the page's policy: as good as a browser without it.
    },
  );

  return {
    conditions: (): TabConditions => ({
      frozen,
      hidden: document.visibilityState === 'hidden',
      battery: battery === undefined ? null : !battery.charging,
      metered: connection === undefined ? null : connection.saveData === true || connection.type === 'cellular',
    }),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      stopped.abort();
      listeners.clear();
    },
  };
}
