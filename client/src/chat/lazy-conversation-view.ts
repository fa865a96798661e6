/** The view of what was said: an empty chat does not need it, and it comes while the first question is being typed. */
export const loadConversationView = () => import('./conversation-view.svelte');
