/** Why a request reached nobody, in words that a person can act on. */

/** Nobody answers there at all: trying again at once finds the same. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
  // A proxy that refuses the tunnel.
  'UND_ERR_ABORTED',
]);

export interface NetworkCause {
  /** Half a sentence: `the name hub.example is not found`. */
  readonly words: string;
  /** No connection came about, and none will in a moment. */
  readonly isUnreachable: boolean;
}

export function networkCause(error: unknown): NetworkCause {
  const root = rootOf(error);
  const code = codeOf(root);
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO_/.test(code);
  // Without a code it is fetch itself that refuses: a forbidden port, a wrong scheme.
  const isUnreachable = UNREACHABLE.has(code) || isCertificate || (code === '' && error !== undefined);
  return { words: wordsOf(root, code, isCertificate), isUnreachable };
}

function wordsOf(root: ErrorFields, code: string, isCertificate: boolean): string {
  const place = root.address === undefined ? 'the server' : `${root.address}:${root.port}`;
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${root.hostname ?? 'of the server'} is not found`;
    case 'ECONNREFUSED':
      return `${place} refuses connections`;
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return `no network leads to ${place}`;
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return `${place} does not answer in time`;
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return 'the connection broke';
  }
  if (isCertificate) return `its certificate is not trusted here (${code}; NODE_EXTRA_CA_CERTS=FILE adds one)`;
  return root.message === undefined || root.message === '' ? 'the connection failed' : root.message.replace(/\.$/, '');
}

interface ErrorFields {
  readonly message?: string;
  readonly code?: unknown;
  readonly cause?: unknown;
  /** Of several addresses of one name, each with its own failure. */
  readonly errors?: readonly unknown[];
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: number;
}

/** `fetch failed` says nothing; what it was caused by does. */
function rootOf(error: unknown): ErrorFields {
  let fields = (error ?? {}) as ErrorFields;
  for (let depth = 0; depth < 8; depth += 1) {
    const next = fields.errors?.at(-1) ?? fields.cause;
    if (typeof next !== 'object' || next === null) break;
    fields = next as ErrorFields;
  }
  return fields;
}

function codeOf({ code }: ErrorFields): string {
  return typeof code === 'string' ? code : '';
}
