/** The app's parts, as every component finds them. */
import { createContext } from 'svelte';
import type { ActiveAnswers } from './state/active-answers.svelte.ts';
import type { Contribution } from './state/contribution.svelte.ts';
import type { Conversations } from './state/conversations.svelte.ts';
import type { Drafts } from './state/drafts.ts';
import type { MeshState } from './state/mesh-state.svelte.ts';
import type { Preferences } from './state/preferences.svelte.ts';
import type { Router } from './state/router.svelte.ts';

export interface App {
  readonly router: Router;
  readonly mesh: MeshState;
  readonly conversations: Conversations;
  readonly answers: ActiveAnswers;
  readonly contribution: Contribution;
  readonly preferences: Preferences;
  readonly drafts: Drafts;
}

export const [getApp, setApp] = createContext<App>();
