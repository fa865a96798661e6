import { MESH_ERROR_CODES } from '@tabmesh/shared';
import { expect, it } from 'vitest';
import { brokenOffText } from '../src/chat/broken-off.ts';

it('UI48: above Continue stands why the answer broke off and that Continue goes on, not to send anything again', () => {
  expect(brokenOffText('peer_lost', true)).toBe(
    'The peer that was answering is gone, and no other could go on. Continue goes on from here.',
  );
  for (const code of MESH_ERROR_CODES) {
    expect(brokenOffText(code, true)).toMatch(/\. Continue goes on from here\.$/);
    expect(brokenOffText(code, false)).toMatch(/Continue goes on from here, as soon as a peer serves a model\.$/);
  }
});
