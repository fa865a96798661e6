/** The conversations, as every component finds them. */
import { createContext } from 'svelte';
import type { Conversations } from './conversations.svelte.ts';

export const [getConversations, setConversations] = createContext<Conversations>();
