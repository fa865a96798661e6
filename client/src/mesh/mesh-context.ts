/** The mesh, as every component finds it. */
import { createContext } from 'svelte';
import type { MeshState } from './mesh-state.svelte.ts';

export const [getMesh, setMesh] = createContext<MeshState>();
