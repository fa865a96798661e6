/** What npm goes by when it chooses native packages: the system, the processor, and on Linux the C library. */

export function thisMachine() {
  return { platform: process.platform, arch: process.arch, libc: libc() };
}

function libc() {
  if (process.platform !== 'linux') return undefined;
  // Without this, newer versions of Node look up the name of every open connection's other end.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** Whether a package that names these `os`, `cpu` and `libc` runs on the machine. */
export function admits({ os, cpu, libc }, machine) {
  return isAmong(machine.platform, os) && isAmong(machine.arch, cpu) && isAmong(machine.libc, libc);
}

/** As npm reads such lists: `!win32` is all but Windows. */
function isAmong(value, list) {
  if (list === undefined || list.length === 0) return true;
  if (list.includes(`!${value}`)) return false;
  const named = list.filter((one) => !one.startsWith('!'));
  return named.length === 0 || named.includes(value);
}
