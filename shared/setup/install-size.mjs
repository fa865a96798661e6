/** What an installation takes, told before it is taken. Measured from an empty cache; they grow with the packages. */

/** Only for these two systems are there builds for CUDA and Vulkan, which are half of everything. */
const FULL_BYTES = { 'linux x64': 1.2e9, 'win32 x64': 1.2e9 };
const SLIM_BYTES = 0.6e9;

/**
 * The lines that say so. Throws an `Error` where the disk has no room: npm would find out in the middle, and say it in the
 * words of the system.
 */
export function announcement({ machine, isSlim, freeBytes }) {
  const full = FULL_BYTES[`${machine.platform} ${machine.arch}`] ?? SLIM_BYTES;
  const onDisk = isSlim ? SLIM_BYTES : full;
  // npm keeps what it downloads, packed: about half of it.
  const size = `about ${gigabytes(onDisk / 2)} to download, ${gigabytes(onDisk)} on disk`;
  const hasSlim = !isSlim && full > SLIM_BYTES;
  const slim = hasSlim
    ? [`Without a graphics card half of it will do: Ctrl-C, then TABMESH_SLIM=1 npm start leaves out CUDA and Vulkan.`]
    : [];
  if (freeBytes < onDisk * 1.5) {
    const way = hasSlim ? 'Make room, or take half with TABMESH_SLIM=1.' : 'Make room, then try again.';
    throw new Error(`The packages need ${size}, but ${gigabytes(freeBytes)} are free. ${way}`);
  }
  return [`Installing the packages: ${size} …`, ...slim];
}

function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
