/** Measures what the engine of this tab does without the mesh, and publishes it. Only tabs that may lend load this. */
import { type Baseline, BaselineCollector, type Engine, type Mesh, systemClock } from '@tabmesh/shared';
import { createBaselineStorage } from './baseline-storage.ts';
import { consoleLogger } from './browser-mesh.ts';
import type { MeshDatabase } from './mesh-database.ts';

export function collectBaseline(
  engine: Engine,
  mesh: Mesh,
  database: MeshDatabase | undefined,
  onBaseline: (baseline: Baseline) => void = () => {},
): BaselineCollector {
  return new BaselineCollector({
    engine,
    clock: systemClock,
    store: createBaselineStorage(database),
    logger: consoleLogger,
    onBaseline(baseline) {
      mesh.setBaseline(engine.model.id, baseline);
      onBaseline(baseline);
    },
  });
}
