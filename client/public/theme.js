// Runs before the first paint. `state/preferences.svelte.ts` writes the same key.
try {
  const theme = localStorage.getItem('tabmesh.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's theme stays.
}
