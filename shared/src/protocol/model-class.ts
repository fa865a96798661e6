/**
 * What really runs, as one id: peers of one class may continue each other's answers, peers of two classes of one model
 * are never compared token by token.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AnyFamily } from './announcement.ts';
import { ClassId } from './ids.ts';

export interface ModelClass {
  /** Of the whole weights file; hex. */
  readonly weightsSha256: string;
  /** GGUF `general.file_type` in decimal, or MLC's quantisation name; empty when unknown. */
  readonly quantization: string;
  /** llama.cpp runs in a tab (wllama) and natively: one family. */
  readonly family: AnyFamily;
  /** Of the chat template's UTF-8 text; hex. */
  readonly templateSha256: string;
}

export function classIdOf(modelClass: ModelClass): ClassId {
  const { weightsSha256, quantization, family, templateSha256 } = modelClass;
  const text = [weightsSha256, quantization, family, templateSha256].join('\n');
  return ClassId.parse(bytesToHex(sha256(utf8ToBytes(text)).subarray(0, 16)));
}
