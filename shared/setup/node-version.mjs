/** The Node that package.json promises, asked before any package could be: a test holds the two to each other. */

/** A sentence that says what to do, or undefined where this Node will do. `version` without a leading v. */
export function wrongNode(version) {
  const [major, minor] = version.split('.').map(Number);
  const isPromised = major === 20 ? minor >= 19 : major === 22 ? minor >= 13 : major >= 24;
  if (isPromised) return undefined;
  return `TabMesh needs Node 20.19, 22.13, 24 or newer; this is ${version}. Get one from https://nodejs.org`;
}
