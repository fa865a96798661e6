/**
 * V8 doubles its nursery for what survives, which at a start is all that was loaded: 15 MB of it are then left, empty, in a
 * process that has nothing to do yet. What comes later may double it as ever.
 */
import { setFlagsFromString } from 'node:v8';

export function holdYoungHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

export function releaseYoungHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}
