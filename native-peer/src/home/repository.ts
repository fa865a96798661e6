/** The places of the repository that a native peer uses: it runs from its sources, so they lie at fixed paths. */
import { fileURLToPath } from 'node:url';

const at = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const repository = {
  root: at('.'),
  /** The embedded models; every entry serves them at `/models/`. */
  models: at('shared/models'),
  /** The built web app. */
  web: at('client/dist'),
  cli: at('native-peer/bin/tabmesh.js'),
} as const;
