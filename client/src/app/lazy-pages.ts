/**
 * Pages that are fetched when they are opened, or when a pointer comes near their link. Sidebar, palette and title
 * take a page's name and icon from here.
 */
import type { Component } from 'svelte';
import type { PageName } from '../navigation/route.ts';
import type { IconName } from '../ui/icon.svelte';

interface LazyPage {
  readonly title: string;
  readonly icon: IconName;
  load(): Promise<{ default: Component }>;
}

export const PAGES: Readonly<Record<PageName, LazyPage>> = {
  contribute: { title: 'Contribute', icon: 'chip', load: () => import('../lend/contribute-page.svelte') },
  status: { title: 'Status', icon: 'pulse', load: () => import('../status/status-page.svelte') },
  metrics: { title: 'Metrics', icon: 'bars', load: () => import('../metrics/metrics-page.svelte') },
  settings: { title: 'Settings', icon: 'settings', load: () => import('../settings/settings-page.svelte') },
};
