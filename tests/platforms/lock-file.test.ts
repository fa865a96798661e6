/** The check of package-lock.json, on lock files with one planted fault each. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LockedPackage, lockFaults } from './lock-file.mjs';

const native = { version: '2.0.0', integrity: 'sha512-x', optional: true, os: ['darwin'], cpu: ['arm64'] };
const sound: Record<string, LockedPackage> = {
  '': { engines: { node: '^20.19.0 || ^22.13.0 || >=24' } },
  peer: { optionalDependencies: { 'binding-mac': '^2.0.0' } },
  'node_modules/peer': { link: true },
  'node_modules/engine': { version: '1.0.0', integrity: 'sha512-x', optionalDependencies: { 'binding-mac': '2.0.0' } },
  'node_modules/binding-mac': native,
};
const withChange = (changes: Record<string, LockedPackage | undefined>) =>
  lockFaults(
    Object.fromEntries(
      Object.entries({ ...sound, ...changes }).flatMap(([place, entry]) =>
        entry === undefined ? [] : [[place, entry]],
      ),
    ),
  );

describe('the lock file', () => {
  it('SU10: has every optional package of every machine, and takes the promised Node everywhere', () => {
    const { packages } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package-lock.json'), 'utf8'));
    expect(Object.keys(packages).length).toBeGreaterThan(400);
    expect(lockFaults(packages)).toEqual([]);
    expect(lockFaults(sound)).toEqual([]);
  });

  it('SU10: a missing entry is told, once for each package that wants it', () => {
    const faults = withChange({ 'node_modules/binding-mac': undefined });
    expect(faults).toHaveLength(2);
    expect(faults[0]).toMatch(/^peer wants binding-mac@\^2\.0\.0, which has no entry: run npm install .* by hand/);
    expect(faults[1]).toMatch(/^engine wants binding-mac@2\.0\.0, which has no entry/);
  });

  it('SU10: an entry is looked for beside the package first, then in each folder above, as Node does', () => {
    const wanting = { version: '1.0.0', integrity: 'sha512-x', optionalDependencies: { 'binding-mac': '3.0.0' } };
    const place = 'node_modules/host/node_modules/@scope/inner';
    const beside = { ...native, version: '3.0.0' };
    expect(withChange({ [place]: wanting, [`${place}/node_modules/binding-mac`]: beside })).toEqual([]);
    expect(withChange({ [place]: wanting, 'node_modules/host/node_modules/binding-mac': beside })).toEqual([]);
    // Another package's own folder helps nobody else.
    expect(withChange({ [place]: wanting, 'node_modules/other/node_modules/binding-mac': beside })).toEqual([
      '@scope/inner wants binding-mac@3.0.0, but the entry is 2.0.0: correct its version, and its integrity with it.',
    ]);
    const workspace = { optionalDependencies: { 'binding-mac': '3.0.0' } };
    expect(withChange({ peer: workspace, 'peer/node_modules/binding-mac': beside })).toEqual([]);
  });

  it('SU10: an entry of another version than the wanted one is told', () => {
    const faults = withChange({ 'node_modules/binding-mac': { ...native, version: '2.0.1' } });
    expect(faults).toEqual([
      'engine wants binding-mac@2.0.0, but the entry is 2.0.1: correct its version, and its integrity with it.',
    ]);
  });

  it.each([
    ['optional', { ...native, integrity: undefined, optional: false }],
    ['os', { ...native, integrity: undefined, os: undefined }],
    ['cpu', { ...native, integrity: undefined, cpu: undefined }],
  ])('SU10: an entry written by hand without %s is told', (_what, entry) => {
    const { integrity: _none, ...handWritten } = entry;
    const planted = Object.fromEntries(Object.entries(handWritten).filter(([, value]) => value !== undefined));
    expect(withChange({ 'node_modules/binding-mac': planted })).toEqual([
      'binding-mac has no integrity: without "optional": true, os and cpu every installation fails on it.',
    ]);
    const { integrity: _absent, ...sound } = native;
    expect(withChange({ 'node_modules/binding-mac': sound })).toEqual([]);
  });

  it('SU11: a package that wants a newer Node than the promised one is told, and no other', () => {
    const cookie = { version: '2.0.2', integrity: 'sha512-x' };
    expect(withChange({ 'node_modules/cookie': { ...cookie, engines: { node: '>=22' } } })).toEqual([
      "cookie@2.0.2 wants Node >=22, but package.json promises ^20.19.0 || ^22.13.0 || >=24: take a version that does, by npm's 'overrides' if need be.",
    ]);
    for (const node of ['>=18', '18 || 20 || >=22', '^20.17.0 || >=22.9.0', '*']) {
      expect(withChange({ 'node_modules/cookie': { ...cookie, engines: { node } } })).toEqual([]);
    }
    expect(withChange({ '': {} })).toEqual(["package.json promises no Node: give it an 'engines' with a 'node'."]);
  });
});
