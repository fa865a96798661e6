/** The tabs of one browser, without a browser: they hear of each other, and a lock goes with its tab. */
import type { OtherTabs } from '../src/conversations/other-tabs.ts';

interface Tab {
  changed(id: string | undefined): void;
  stop(id: string): void;
}

export function createBrowserTabs() {
  const tabs = new Set<Tab>();
  const held = new Map<string, Tab>();
  const waiting = new Map<string, (() => void)[]>();
  const release = (id: string, tab: Tab) => {
    if (held.get(id) !== tab) return;
    held.delete(id);
    for (const resolve of waiting.get(id)?.splice(0) ?? []) resolve();
  };
  return {
    open(): OtherTabs {
      const tab: Tab = { changed() {}, stop() {} };
      tabs.add(tab);
      const others = () => [...tabs].filter((other) => other !== tab);
      return {
        post: (id) => others().forEach((other) => void other.changed(id)),
        onChange(listener) {
          tab.changed = listener;
        },
        askToStop: (id) => others().forEach((other) => void other.stop(id)),
        onStopAsked(listener) {
          tab.stop = listener;
        },
        hold(id) {
          held.set(id, tab);
          return () => release(id, tab);
        },
        answering: async (id) => held.has(id),
        released: (id) =>
          new Promise((resolve) => {
            if (!held.has(id)) resolve();
            else waiting.set(id, [...(waiting.get(id) ?? []), resolve]);
          }),
        close() {
          tabs.delete(tab);
          for (const id of [...held.keys()]) release(id, tab);
        },
      };
    },
  };
}
