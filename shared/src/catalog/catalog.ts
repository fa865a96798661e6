/** Looks things up in the catalog: one function for the tier, one for the default model. */
import { ModelId } from '../protocol/ids.ts';
import { CATALOG, type CatalogModel, type Tier } from './catalog-models.ts';

export * from './catalog-models.ts';

/** For requests that name none. */
export const DEFAULT_TEMPERATURE = 0.7;

const byId = new Map<string, CatalogModel>(CATALOG.map((model) => [model.id, model]));
const byMlcId = new Map<string, CatalogModel>(
  CATALOG.flatMap((model) => (model.mlc ?? []).map(({ id }) => [id, model] as const)),
);

export function catalogModel(id: string): CatalogModel | undefined {
  return byId.get(id);
}

/** The name under which the mesh serves one of WebLLM's prebuilt models: the catalog's, else WebLLM's own. */
export function modelIdOfMlc(mlcId: string): ModelId {
  return byMlcId.get(mlcId)?.id ?? ModelId.parse(mlcId);
}

/** Of a catalog name or of one of WebLLM's. Experimental is the safe default of everything that the table does not name. */
export function tierOf(id: string): Tier {
  return (byId.get(id) ?? byMlcId.get(id))?.tier ?? 'experimental';
}

const TIER_RANK: Record<Tier, number> = {
  'daily-driver': 0,
  experimental: 1,
  capacity: 2,
};

/**
 * The model that an absent `model` means: a daily driver where one is served, then whatever experimental model there is,
 * and a capacity model only when nothing else is; inside a tier the one with the most peers, then the first by name.
 */
export function defaultModel(
  served: readonly { readonly id: ModelId; readonly peerCount: number }[],
): ModelId | undefined {
  const [best] = [...served].sort(
    (a, b) => TIER_RANK[tierOf(a.id)] - TIER_RANK[tierOf(b.id)] || b.peerCount - a.peerCount || (a.id < b.id ? -1 : 1),
  );
  return best?.id;
}
