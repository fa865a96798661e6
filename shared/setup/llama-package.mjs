/** Which of node-llama-cpp's packages holds the llama.cpp that a machine can always run: the one for its processor. */

const SCOPE = '@node-llama-cpp/';
const PACKAGES = {
  'darwin arm64': 'mac-arm64-metal',
  'darwin x64': 'mac-x64',
  'linux arm': 'linux-armv7l',
  'linux arm64': 'linux-arm64',
  'linux riscv64': 'linux-riscv64',
  'linux x64': 'linux-x64',
  'win32 arm64': 'win-arm64',
  'win32 x64': 'win-x64',
};

/** Undefined where there is none: on other machines, and on Linux without glibc, which all of them are built for. */
export function llamaPackage({ platform, arch, libc }) {
  if (libc === 'musl') return undefined;
  const name = PACKAGES[`${platform} ${arch}`];
  return name === undefined ? undefined : `${SCOPE}${name}`;
}

/** Of this scope a machine gets several: for graphics cards, and on some systems for other processors. */
export function isLlamaPackage(name) {
  return name.startsWith(SCOPE);
}
