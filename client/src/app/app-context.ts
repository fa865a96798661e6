/** The app's parts, as every component finds them. */
import { createContext } from 'svelte';
import type { ActiveAnswers } from '../chat/active-answers.svelte.ts';
import type { Drafts } from '../conversations/drafts.ts';
import type { Contribution } from '../lend/contribution.svelte.ts';
import type { MeshState } from '../mesh/mesh-state.svelte.ts';
import type { Router } from '../navigation/router.svelte.ts';
import type { Conversations } from '../open-conversations/conversations.svelte.ts';
import type { Preferences } from '../settings/preferences.svelte.ts';

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
