/**
 * Whose limit an address counts towards: IPv4 addresses each for themselves, IPv6 by network, because whoever has one
 * IPv6 address has 2^64 of them.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { MAX_ADDRESS_CHARS } from './limits.ts';

/** `192.0.2.1`, `2001:db8:0:7::/64`; any other text as it is, since what a proxy writes need be no address. */
export function networkOf(address: string): string {
  return networkOfBits(address, 64);
}

/** The network of so many bits (a multiple of 8, at most 64) that an IPv6 address is in; an IPv4 address itself. */
export function networkOfBits(address: string, bits: number): string {
  if (isIPv4(address)) return address;
  const bare = address.replace(/%.*$/, '');
  if (!isIPv6(bare)) return address.slice(0, MAX_ADDRESS_CHARS);
  const groups = groupsOf(bare);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6);
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
  }
  const kept = groups.slice(0, 4).map((group, index) => {
    const inside = Math.min(16, Math.max(0, bits - index * 16));
    return (group & (0xffff << (16 - inside)) & 0xffff).toString(16);
  });
  return `${kept.join(':')}::/${bits}`;
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const front = numbersOf(head);
  const back = numbersOf(tail ?? '');
  return [...front, ...Array<number>(Math.max(0, 8 - front.length - back.length)).fill(0), ...back];
}

/** The last part may be written as an IPv4 address. */
function numbersOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!isIPv4(group)) return [Number.parseInt(group, 16)];
    const [first = 0, second = 0, third = 0, fourth = 0] = group.split('.').map(Number);
    return [first * 256 + second, third * 256 + fourth];
  });
}
