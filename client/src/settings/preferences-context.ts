/** What the user set, as every component finds it. */
import { createContext } from 'svelte';
import type { Preferences } from './preferences.svelte.ts';

export const [getPreferences, setPreferences] = createContext<Preferences>();
