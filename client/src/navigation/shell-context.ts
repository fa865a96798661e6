/** What the pages may ask of the frame around them. */
import { createContext } from 'svelte';

export interface Shell {
  /** The sidebar as a sheet, on a phone. */
  menuOpen: boolean;
}

export const [getShell, setShell] = createContext<Shell>();
