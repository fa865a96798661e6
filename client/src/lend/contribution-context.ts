/** What this tab lends, as every component finds it. */
import { createContext } from 'svelte';
import type { Contribution } from './contribution.svelte.ts';

export const [getContribution, setContribution] = createContext<Contribution>();
