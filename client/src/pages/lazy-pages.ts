/** Pages that the first visit does not need. Their links fetch them when the pointer comes near. */
export const loadContributePage = () => import('./contribute-page.svelte');
export const loadStatusPage = () => import('./status-page.svelte');
export const loadMetricsPage = () => import('./metrics-page.svelte');
export const loadSettingsPage = () => import('./settings-page.svelte');
