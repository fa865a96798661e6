/** What of a newer peer's announcement is read, and what of anybody's is refused. */
import { describe, expect, it } from 'vitest';
import { MAX_CAPABILITIES, MAX_SERVED_MODELS } from '../limits.ts';
import type { Announcement } from './announcement.ts';
import { readAnnouncement } from './decode.ts';

const model = {
  id: 'mesh-tiny',
  classId: '0'.repeat(32),
  family: 'llama.cpp',
  backend: 'test',
  contextTokens: 1024,
  slots: 1,
  inFlight: 0,
  queued: 0,
  sizeBytes: 1,
  features: ['seed'],
  measured: { ttftMs: 1, ttftP95Ms: 2, tokensPerSecond: 100, tokensPerSecondP95: 110, sampleCount: 1, ageMs: 0 },
  baseline: { ttftMs: 1, tokensPerSecond: 100, sampleCount: 3, ageMs: 0 },
};

const known = {
  type: 'announcement',
  peerId: `${'B'.repeat(42)}A`,
  kind: 'native',
  version: '0.1.0',
  sequence: 1,
  issuedAtMs: 0,
  lifetimeMs: 30_000,
  state: 'ready',
  memoryBytes: null,
  models: [model],
  links: [],
};

function read(changes: object): Announcement {
  return readAnnouncement({ body: JSON.stringify({ ...known, ...changes }), signature: 'A'.repeat(86) });
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe('an announcement of a newer peer', () => {
  it.each<[string, object, object]>([
    ['a kind', { kind: 'satellite' }, { kind: 'other' }],
    ['a state', { state: 'dreaming' }, { state: 'draining' }],
    ['a family', { models: [{ ...model, family: 'photonic.rs' }] }, { models: [{ ...model, family: 'photonic.rs' }] }],
    ['features', { models: [{ ...model, features: ['video', 'seed', {}, 'seed', 7] }] }, { models: [model] }],
    ['a capability', { capabilities: ['teleport'] }, { capabilities: ['teleport'] }],
    ['fields', { orbit: 'low', models: [{ ...model, lenses: 2, measured: { ...model.measured, lux: 1 } }] }, {}],
  ])('WR9: with %s that this version does not know is read all the same', (_name, changes, becomes) => {
    expect(read(changes)).toEqual({ ...known, ...becomes });
  });

  it.each<[string, unknown]>([
    ['an object of other fields', { id: 'sharded', shards: ['a', 'b'] }],
    ['a word', 'mesh-mini'],
    ['nothing', null],
    ['a list', [model]],
    ['one without slots', { ...model, id: 'other', slots: undefined }],
    ['one whose slots are a list', { ...model, id: 'other', slots: [1, 2] }],
    ['one named in other letters', { ...model, id: 'mesh tiny ✨' }],
    ['one whose class is hashed otherwise', { ...model, id: 'other', classId: 'sha3:abc' }],
    ['one whose family is an object', { ...model, id: 'other', family: { name: 'llama.cpp' } }],
    ['one whose features are an object', { ...model, id: 'other', features: { seed: true } }],
    ['one measured by other figures', { ...model, id: 'other', measured: { joules: 3 } }],
    ['one whose baseline is a number', { ...model, id: 'other', baseline: 100 }],
  ])('WR10: with a model that is %s keeps the others', (_name, unreadable) => {
    expect(read({ models: [unreadable, model, unreadable] }).models).toEqual([model]);
  });

  it('WR11: with ten thousand entries that nobody knows in each of its lists is read up to a bound', () => {
    expect(read({ models: [{ ...model, features: ['seed', ...names('f', 10_000 / 2)] }] }).models).toEqual([model]);
    expect(read({ models: [model, ...Array.from({ length: 10_000 }, () => 1)] }).models).toEqual([model]);
    expect(read({ models: [model, ...Array.from({ length: 10_000 }, () => ({}))] }).models).toEqual([model]);
    expect(read({ capabilities: names('c', 5_000) }).capabilities).toEqual(names('c', MAX_CAPABILITIES));
    expect(read({ capabilities: Array.from({ length: 10_000 }, () => 0) }).capabilities).toEqual([]);
    expect(read({ capabilities: ['x'.repeat(65), 'x'.repeat(64), ''] }).capabilities).toEqual(['x'.repeat(64)]);
  });
});

describe('an announcement of whatever version', () => {
  const many = (count: number) => ({ models: names('model-', count).map((id) => ({ ...model, id, baseline: null })) });

  it('WR10: lists as many models as it may, and not one more', () => {
    expect(read(many(MAX_SERVED_MODELS)).models).toHaveLength(MAX_SERVED_MODELS);
    expect(() => read(many(MAX_SERVED_MODELS + 1))).toThrow(/models/);
  });

  it.each<[string, object]>([
    ['a kind that is no name', { kind: 7 }],
    ['a kind of a hundred letters', { kind: 'x'.repeat(100) }],
    ['a state that is no name', { state: {} }],
    ['no state', { state: undefined }],
    ['capabilities that are no list', { capabilities: { streams: true } }],
    ['models that are no list', { models: { 'mesh-tiny': model } }],
    ['a context of no tokens', { models: [{ ...model, contextTokens: 0 }] }],
    ['more slots than any hardware', { models: [{ ...model, slots: 1_000_000 }] }],
    ['a baseline of a billion', { models: [{ ...model, baseline: { ...model.baseline, tokensPerSecond: 1e9 } }] }],
  ])('WR10: is refused whole for %s', (_name, changes) => {
    expect(() => read(changes)).toThrow(expect.objectContaining({ code: 'protocol_violation' }));
  });
});
