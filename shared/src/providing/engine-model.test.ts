/** Engines whose model no announcement can carry. */
import { expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import type { EngineModel } from '../ports/engine.ts';
import { silentLogger } from '../ports/logger.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { Provider } from './provider.ts';

const clock = new ManualClock();
const engine = createScriptedEngine({ clock, scenario: 'steady' });

function provider() {
  return new Provider({ clock, logger: silentLogger, onChange() {}, onMeasured() {} });
}

function add(wrong: object): void {
  provider().addEngine({ ...engine, model: { ...engine.model, ...wrong } as EngineModel });
}

it.each([[{}], [{ family: 'photonic.rs' }], [{ backend: 'b'.repeat(500) }], [{ sizeBytes: 0 }]])(
  'PR37: an engine with %j is taken',
  (own) => {
    expect(() => add(own)).not.toThrow();
  },
);

it.each([
  [{ family: 'Photonic, for Rust' }, 'family'],
  [{ family: '' }, 'family'],
  [{ family: undefined }, 'family'],
  [{ id: 'has blanks' }, 'id'],
  [{ classId: 'short' }, 'classId'],
  [{ contextTokens: Number.NaN }, 'contextTokens'],
  [{ contextTokens: 0 }, 'contextTokens'],
  [{ slots: 0 }, 'slots'],
  [{ slots: 1.5 }, 'slots'],
  [{ sizeBytes: -1 }, 'sizeBytes'],
])('PR37: an engine with %j is refused when it is added, by the field that is wrong', (wrong, field) => {
  let failure: unknown;
  try {
    add(wrong);
  } catch (error) {
    failure = error;
  }
  expect(MeshError.is(failure, 'invalid_request') && failure.message).toContain(`'${field}'`);
});
