/** The router, as every component finds it. */
import { createContext } from 'svelte';
import type { Router } from './router.svelte.ts';

export const [getRouter, setRouter] = createContext<Router>();
