/** The parts that make the app. Each room finds those it uses in a context of its own. */

import type { ActiveAnswers } from '../chat/active-answers.svelte.ts';
import { setAnswers, setDrafts } from '../chat/chat-context.ts';
import type { Drafts } from '../conversations/drafts.ts';
import type { Contribution } from '../lend/contribution.svelte.ts';
import { setContribution } from '../lend/contribution-context.ts';
import { setMesh } from '../mesh/mesh-context.ts';
import type { MeshState } from '../mesh/mesh-state.svelte.ts';
import type { Router } from '../navigation/router.svelte.ts';
import { setRouter } from '../navigation/router-context.ts';
import type { Conversations } from '../open-conversations/conversations.svelte.ts';
import { setConversations } from '../open-conversations/conversations-context.ts';
import type { Preferences } from '../settings/preferences.svelte.ts';
import { setPreferences } from '../settings/preferences-context.ts';

export interface AppParts {
  readonly router: Router;
  readonly mesh: MeshState;
  readonly conversations: Conversations;
  readonly answers: ActiveAnswers;
  readonly contribution: Contribution;
  readonly preferences: Preferences;
  readonly drafts: Drafts;
}

/** Called while the outermost component is made. */
export function provide(parts: AppParts): void {
  setRouter(parts.router);
  setMesh(parts.mesh);
  setConversations(parts.conversations);
  setAnswers(parts.answers);
  setContribution(parts.contribution);
  setPreferences(parts.preferences);
  setDrafts(parts.drafts);
}
