/**
 * Pages that are fetched when they are opened, or when a pointer comes near their link; and parts that an empty chat does
 * not need: the palette, and the view of what was said, which comes while the first question is being typed.
 */

export const PAGES = {
  contribute: { title: 'Contribute', load: () => import('../lend/contribute-page.svelte') },
  status: { title: 'Status', load: () => import('../status/status-page.svelte') },
  metrics: { title: 'Metrics', load: () => import('../metrics/metrics-page.svelte') },
  settings: { title: 'Settings', load: () => import('../settings/settings-page.svelte') },
} as const;

export const loadConversationView = () => import('../chat/conversation-view.svelte');

export const loadPalette = () => import('./palette.svelte');
