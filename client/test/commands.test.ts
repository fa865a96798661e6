import { describe, expect, it } from 'vitest';
import { matchCommands } from '../src/app/commands.ts';

describe('the palette', () => {
  const commands = ['New chat', 'Settings', 'mesh-tiny', 'tiny new thing'].map((label) => ({
    id: label,
    label,
    kind: label === 'mesh-tiny' ? 'Model' : '',
    run() {},
  }));
  const labels = (query: string) => matchCommands(commands, query).map(({ label }) => label);

  it('UI43: matches every typed word, best beginnings first', () => {
    expect(labels('')).toHaveLength(4);
    expect(labels('tiny')).toEqual(['tiny new thing', 'mesh-tiny']);
    expect(labels('model MESH')).toEqual(['mesh-tiny']);
    expect(labels('fox')).toEqual([]);
  });
});
