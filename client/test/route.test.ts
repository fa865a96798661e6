import { describe, expect, it } from 'vitest';
import { chatPath, parseRoute } from '../src/navigation/route.ts';

describe('addresses', () => {
  it('UI42: name a page or none', () => {
    expect(parseRoute('/')).toEqual({ page: 'chat', conversationId: undefined });
    expect(parseRoute('/chat/0af3')).toEqual({ page: 'chat', conversationId: '0af3' });
    expect(parseRoute('/contribute/')).toEqual({ page: 'contribute' });
    expect(parseRoute('/settings')).toEqual({ page: 'settings' });
    expect(parseRoute('/chat/../etc')).toEqual({ page: 'not-found' });
    expect(parseRoute(chatPath('0af3'))).toEqual({ page: 'chat', conversationId: '0af3' });
    expect(chatPath(undefined)).toBe('/');
  });
});
