import { describe, expect, it } from 'vitest';
import { fileKind } from './file-kind.ts';

const bytes = (text: string) => Uint8Array.from(text.padEnd(64, '.'), (letter) => letter.charCodeAt(0));

describe('what a file is that is no model', () => {
  it.each([
    ['GGUF\x01\0\0\0', 'a GGUF file of version 1'],
    ['GGUF\0\0\0\x03', 'a big-endian GGUF file of version 3'],
    ['GGUF\0\0\0\x01', 'a big-endian GGUF file of version 1'],
    ['GGUF\x04\0\0\0', 'a GGUF file of version 4, newer'],
    ['\x80\x01\0\0\0\0\0\0{"__metadata__":', 'a safetensors file'],
    ['PK\x03\x04', 'a ZIP archive'],
    ['\x80\x02}q', "a file of Python's pickle"],
    ['tjgg\x03\0\0\0', 'a GGML file'],
    ['\x89HDF\r\n\x1a\n', 'an HDF5 file'],
    ['\x08\x07\x12\x07pytorch', 'an ONNX model'],
    ['\x1c\0\0\0TFL3', 'a TensorFlow Lite model'],
    ['\x1f\x8b\x08', 'a gzip archive'],
    ['\x28\xb5\x2f\xfd', 'a Zstandard archive'],
    ['\xfd7zXZ\0', 'an xz archive'],
    ['<!DOCTYPE html><html>', 'a web page'],
    ['\n  <html lang="en">', 'a web page'],
    ['<?xml version="1.0"?><Error><Code>AccessDenied', 'a web page'],
    ['{"error":"Repository not found"}', 'a JSON text'],
    ['version https://git-lfs.github.com/spec/v1', 'the pointer of Git LFS'],
    ['\0'.repeat(64), 'empty but for zeros'],
  ])('EN63: %j is %s', (first, what) => {
    const kind = fileKind(bytes(first));
    expect(kind?.what).toContain(what);
    expect(kind?.advice).toMatch(/version 2 and 3|download it again/);
  });

  it('EN63: an empty file is said to be one', () => {
    expect(fileKind(new Uint8Array())?.what).toContain('empty');
  });

  it.each(['GGUF\x02\0\0\0', 'GGUF\x03\0\0\0', 'GGUF\x4d\x3c\x2b\x1a', 'GGUF', 'Dear model, ', 'abcdefgh{'])(
    'EN63: of %j nothing is said',
    (first) => {
      expect(fileKind(Uint8Array.from(first, (letter) => letter.charCodeAt(0)))).toBeUndefined();
    },
  );
});
