/**
 * Headers of every reply. Cross-origin isolation gives pages SharedArrayBuffer, thus WebAssembly threads.
 *
 * `require-corp` rather than `credentialless`: model hubs are fetched with CORS, which both allow, and Safari and
 * Firefox for Android know only this one.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  // wllama starts its workers from blobs.
  "worker-src 'self' blob:",
  // Models come from any https host or from this machine; other entries are joined over WebSocket.
  "connect-src 'self' https: wss: http://127.0.0.1:* http://localhost:* ws://127.0.0.1:* ws://localhost:* blob: data:",
  "style-src 'self'",
  // Svelte's `style:` directives and highlighted code set attributes; style elements stay forbidden.
  "style-src-attr 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};
