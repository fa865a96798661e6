import { describe, expect, it } from 'vitest';
import { type Arrival, isOwnAddress } from '../../src/hub/own-address.ts';

const lan: Arrival['socket'] = { localAddress: '192.168.1.10', localPort: 8080, remoteAddress: '192.168.1.77' };
const loopback: Arrival['socket'] = { localAddress: '127.0.0.1', localPort: 8080, remoteAddress: '127.0.0.1' };
const web: Arrival['socket'] = { localAddress: '198.51.100.7', localPort: 80, remoteAddress: '203.0.113.9' };

const isOwn = (named: string, socket: Arrival['socket'], headers: Arrival['headers'] = {}, configured: string[] = []) =>
  isOwnAddress(named, { headers, socket }, configured, () => 'Attic.lan');

describe('the addresses of an entry', () => {
  it.each([
    ['192.168.1.10:8080', lan],
    ['attic.local:8080', lan],
    ['attic:8080', lan],
    ['attic.lan:8080', lan],
    ['ATTIC.local.:8080', lan],
    ['127.0.0.1:8080', loopback],
    ['localhost:8080', loopback],
    ['mesh.localhost:8080', loopback],
    ['localhost:8080', { ...loopback, localAddress: '::1' }],
    ['[::1]:8080', { ...loopback, localAddress: '::1', remoteAddress: '::1' }],
    ['127.0.0.1:8080', { ...loopback, localAddress: '::ffff:127.0.0.1', remoteAddress: '::ffff:127.0.0.1' }],
    ['198.51.100.7', web],
    ['[2001:db8::7]', { ...web, localAddress: '2001:db8:0:0:0:0:0:7' }],
    ['[fe80::1]:8080', { ...lan, localAddress: 'fe80::1%eth0', remoteAddress: 'fe80::2%eth0' }],
    ['198.51.100.7', { ...web, localPort: 443 }],
  ])('SG55: %s is where the connection ended, or this machine’s name', (named, socket) => {
    expect(isOwn(named, socket)).toBe(true);
  });

  it.each([
    ['another address', '192.168.1.11:8080', lan],
    ['another port', '192.168.1.10:8081', lan],
    ['another port of this machine', '127.0.0.1:9090', loopback],
    ['no port where one is due', 'localhost', loopback],
    ['another machine', 'evil.example:8080', lan],
    ['this machine for whoever dialled it', 'localhost:8080', lan],
    ['this machine for whoever dialled it', '127.0.0.1:8080', lan],
    ['a name like an address', '192.168.1.10.evil.example:8080', lan],
    ['an address of many networks, called from outside', '192.168.1.10:8080', { ...lan, remoteAddress: '203.0.113.9' }],
    ['no address', 'no address', lan],
    ['nothing', '', lan],
    ['a socket that is gone', 'localhost:8080', {}],
  ])('SG55: %s is none: %s', (_what, named, socket) => {
    expect(isOwn(named, socket)).toBe(false);
  });

  it.each(['x-forwarded-for', 'forwarded', 'via'])(
    'SG55: behind a proxy (%s) nothing counts but the operator’s word',
    (header) => {
      const headers = { [header]: '203.0.113.9' };
      for (const named of ['127.0.0.1:8080', 'localhost:8080', 'attic.local:8080']) {
        expect(isOwn(named, loopback, headers)).toBe(false);
      }
      expect(isOwn('mesh.example.org', loopback, headers, ['mesh.example.org'])).toBe(true);
      expect(isOwn('mesh.example.org:8443', loopback, headers, ['mesh.example.org'])).toBe(true);
      expect(isOwn('192.0.2.1:80', loopback, headers, ['192.0.2.1'])).toBe(true);
      expect(isOwn('[2001:db8::1]', loopback, headers, ['[2001:db8::1]'])).toBe(true);
      expect(isOwn('mesh.example.org.evil.example', loopback, headers, ['mesh.example.org'])).toBe(false);
    },
  );
});
