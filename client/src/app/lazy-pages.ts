/** Pages that are fetched when they are opened, or when a pointer comes near their link; and the palette. */

export const PAGES = {
  contribute: { title: 'Contribute', load: () => import('../lend/contribute-page.svelte') },
  status: { title: 'Status', load: () => import('../status/status-page.svelte') },
  metrics: { title: 'Metrics', load: () => import('../metrics/metrics-page.svelte') },
  settings: { title: 'Settings', load: () => import('../settings/settings-page.svelte') },
} as const;

export const loadPalette = () => import('./palette.svelte');
