/** The answers that run and the unsent texts, as every component finds them. */
import { createContext } from 'svelte';
import type { Drafts } from '../conversations/drafts.ts';
import type { ActiveAnswers } from './active-answers.svelte.ts';

export const [getAnswers, setAnswers] = createContext<ActiveAnswers>();
export const [getDrafts, setDrafts] = createContext<Drafts>();
