/** What this browser's engines do without the mesh, kept over reloads where the browser stores anything. */
import type { BaselineStore, StoredBaseline } from '@tabmesh/shared';
import type { MeshDatabase } from './mesh-database.ts';

/** Without a database it lasts as long as the page. */
export function createBaselineStorage(database: MeshDatabase | undefined): BaselineStore {
  if (database === undefined) {
    const baselines = new Map<string, StoredBaseline>();
    return {
      get: async (key) => baselines.get(key),
      async set(key, stored) {
        baselines.set(key, stored);
      },
    };
  }
  return {
    get: (key) => database.get('baselines', key),
    async set(key, stored) {
      await database.put('baselines', stored, key);
    },
  };
}
