import { describe, expect, it } from 'vitest';
import { ggufPartNames, ggufPartOf, ggufPartUrls, listParts } from './gguf-parts.ts';

describe('names of parts', () => {
  it('EN62: any part names all, in a folder as at an address', () => {
    expect(ggufPartOf('m/Large-Q8_0-00002-of-00003.gguf')).toEqual({ stem: 'm/Large-Q8_0', index: 2, count: 3 });
    expect(ggufPartNames('m/Large-00003-of-00003.gguf')).toEqual([
      'm/Large-00001-of-00003.gguf',
      'm/Large-00002-of-00003.gguf',
      'm/Large-00003-of-00003.gguf',
    ]);
    expect(ggufPartNames('LARGE-00001-of-00002.GGUF')).toEqual([
      'LARGE-00001-of-00002.GGUF',
      'LARGE-00002-of-00002.GGUF',
    ]);
    expect(ggufPartUrls('https://hub/a/Large-00001-of-00002.gguf?download=true')).toEqual([
      'https://hub/a/Large-00001-of-00002.gguf?download=true',
      'https://hub/a/Large-00002-of-00002.gguf?download=true',
    ]);
    expect(ggufPartUrls('https://hub/a.gguf?as=b-00001-of-00002.gguf')).toHaveLength(1);
  });

  it.each([
    'Large.gguf',
    'x-00000-of-00002.gguf',
    'x-00003-of-00002.gguf',
    'x-1-of-2.gguf',
    'x-00001-of-00002.gguf.part',
    'x-00001-of-99999.gguf',
  ])('EN62: %s is a whole file', (name) => {
    expect(ggufPartOf(name)).toBeUndefined();
    expect(ggufPartNames(name)).toEqual([name]);
  });

  it('EN62: a sentence names three of them', () => {
    expect(listParts(['a'])).toBe('a');
    expect(listParts(['a', 'b'])).toBe('a and b');
    expect(listParts(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c and 2 more');
  });
});
