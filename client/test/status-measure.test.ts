import { ModelId } from '@tabmesh/shared';
import { createScriptedEngine, type EngineScenario, VirtualMesh } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { MeshState } from '../src/mesh/mesh-state.svelte.ts';
import { OwnMeasurements } from '../src/status/status-measure.svelte.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Alice's page in a mesh where Bob serves one model. */
async function setUp(scenario: EngineScenario = 'steady') {
  const virtual = new VirtualMesh();
  closing.push(() => virtual.close());
  const { clock } = virtual;
  const engine = createScriptedEngine({ clock, scenario });
  virtual.member('bob', 'native').addEngine(engine);
  const measurements = new OwnMeasurements(new MeshState(Promise.resolve(virtual.member('alice')), clock));
  await clock.advance(1_000);
  return { clock, engine, measurements, model: engine.model.id };
}

describe('measure it yourself', () => {
  it('ST17: it asks for one short real answer and tells its figures and who gave it', async () => {
    const { clock, engine, measurements, model } = await setUp();
    const measured = measurements.measure(model);
    expect(measurements.of(model)).toEqual({ state: 'running' });
    await clock.advance(10_000);
    await measured;
    expect(engine.requests).toHaveLength(1);
    expect(engine.requests[0]?.maxTokens).toBe(32);
    const result = measurements.of(model);
    expect(result).toMatchObject({ state: 'done', peerName: expect.stringMatching(/^[a-z]+-[a-z]+$/) });
    expect(result?.state === 'done' && result.ttftMs > 0 && (result.tokensPerSecond ?? 0) > 0).toBe(true);
    expect(measurements.announcement).toContain('scripted-model');
  });

  it('ST17: a second press while it runs asks nothing more', async () => {
    const { clock, engine, measurements, model } = await setUp();
    const measured = measurements.measure(model);
    await measurements.measure(model);
    await clock.advance(10_000);
    await measured;
    expect(engine.requests).toHaveLength(1);
  });

  it('ST17: a model that nobody serves any more says so', async () => {
    const { clock, measurements } = await setUp();
    const gone = ModelId.parse('gone');
    const measured = measurements.measure(gone);
    await clock.advance(1_000);
    await measured;
    expect(measurements.of(gone)).toMatchObject({ state: 'failed', message: expect.stringContaining('gone') });
  });

  it('ST17: leaving the page frees the slot', async () => {
    const { clock, engine, measurements, model } = await setUp('slow');
    const measured = measurements.measure(model);
    await clock.advance(5_000);
    expect(engine.running()).toBe(1);
    measurements.close();
    await clock.advance(250);
    await measured;
    expect(engine.running()).toBe(0);
  });
});
