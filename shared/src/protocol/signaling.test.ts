/** What an entry says to its members, who may have another one beside it. */
import { describe, expect, it } from 'vitest';
import { parseJson } from './decode.ts';
import { Challenge, Welcome } from './signaling.ts';

const welcomed = (iceServers: unknown) => Welcome.parse({ entryPeerId: null, iceServers, roster: [] }).iceServers;
const turn = { urls: 'turn:relay.example:3478?transport=tcp', username: 'alice', credential: 'secret' };

describe('an ICE server that an entry offers', () => {
  it.each([
    ['STUN', { urls: 'stun:stun.example' }],
    ['STUN at an address', { urls: ['stun:192.0.2.1:3478', 'stuns:[2001:db8::1]:5349'] }],
    ['TURN', turn],
    ['TURN over TLS', { ...turn, urls: ['turns:relay.example'] }],
  ])('WR19: is taken when it is %s', (_name, server) => {
    expect(welcomed([server])).toEqual([server]);
  });

  it.each([
    ['has no address', { urls: [] }],
    ['is no URL', { urls: 'garbage' }],
    ['is of another scheme', { urls: 'https://stun.example' }],
    ['has a port past all ports', { urls: 'stun:stun.example:99999' }],
    ['has one wrong address of two', { urls: ['stun:stun.example', 'stun:'] }],
    ['is STUN with a transport', { urls: 'stun:stun.example?transport=tcp' }],
    ['is TURN without a password', { urls: turn.urls, username: 'alice' }],
    ['is TURN with a name that no browser takes', { ...turn, username: 'a'.repeat(510) }],
    ['is of a form to come', { hosts: ['stun.example'] }],
  ])('WR19: is skipped when it %s, for a browser would open no link at all with it', (_name, server) => {
    expect(welcomed([server, turn])).toEqual([turn]);
  });

  it('WR19: of which there are too many is skipped', () => {
    expect(welcomed(Array.from({ length: 1_000 }, () => turn))).toHaveLength(16);
  });
});

describe('the time that an entry tells', () => {
  it('AN17: is refused when it is past all dates: announcements at other entries could not be numbered on from it', () => {
    const nonce = '0'.repeat(64);
    const latest = Challenge.parse({ nonce, nowMs: 8_640_000_000_000_000 }).nowMs;
    expect(Number.isSafeInteger(latest + 1_000_000_000)).toBe(true);
    expect(Challenge.safeParse({ nonce, nowMs: latest + 1 }).success).toBe(false);
  });
});

it('WR21: a wrong field is told by its name and by what would be right', () => {
  expect(() => parseJson(Challenge, `{"nonce":"${'0'.repeat(64)}","nowMs":-1}`)).toThrow(
    /'nowMs' is wrong \(Too small: expected number to be >=0\)/,
  );
});
