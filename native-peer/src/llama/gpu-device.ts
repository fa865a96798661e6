/**
 * Whether there may be a GPU. On Linux a driver shows one as a device; without any the machine has at most a renderer that the
 * CPU plays, and looking for more loads that renderer: 60 MB and a second.
 */
import { readdirSync } from 'node:fs';

/** Mesa and amdgpu, NVIDIA (also on Jetson), AMD's ROCm, Windows' own in WSL, Mali, Adreno, PowerVR. */
const DEVICES = /^(dri|nvidia.*|nvmap|nvhost.*|kfd|dxg|mali.*|kgsl.*|pvr.*)$/;

export function mayHaveGpu(
  platform: string = process.platform,
  devices: () => readonly string[] = listDevices,
): boolean {
  return platform !== 'linux' || devices().some((name) => DEVICES.test(name));
}

function listDevices(): readonly string[] {
  try {
    return readdirSync('/dev');
  } catch {
    // Then nothing can be told, and llama.cpp looks for itself.
    return ['dri'];
  }
}
