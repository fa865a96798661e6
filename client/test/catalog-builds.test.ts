import { prebuiltAppConfig } from '@mlc-ai/web-llm';
import { CATALOG } from '@tabmesh/shared';
import { expect, it } from 'vitest';

it('CT7: WebLLM’s builds in the catalog are those of its own list, with the memory that it tells', () => {
  const builds = CATALOG.flatMap(({ mlc = [] }) => mlc);
  const listed = builds.map(({ id }) => prebuiltAppConfig.model_list.find((record) => record.model_id === id));

  expect(builds.length).toBeGreaterThan(0);
  expect(builds.map(({ memoryBytes }) => memoryBytes)).toEqual(
    listed.map((record) => Math.round((record?.vram_required_MB ?? 0) * 1024 ** 2)),
  );
});
