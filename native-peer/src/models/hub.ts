/**
 * The hub that models come from: its address and token as its own tools take them (`HF_ENDPOINT`, `HF_TOKEN`), the proxy of
 * this machine, and which file of a repository is meant.
 */
import { MeshError } from '@tabmesh/shared';
import { ggufPartNames, ggufPartOf, listParts } from '@tabmesh/shared/gguf-parts';
import { EnvHttpProxyAgent, fetch, type Response } from 'undici';
import { z } from 'zod';
import { MOST_LISTING_BYTES } from '../limits.ts';
import type { Repository } from './hub-repository.ts';
import { didYouMean } from './model-names.ts';
import { networkCause } from './network-cause.ts';

const USUAL_HUB = 'https://huggingface.co';

export interface HubFile {
  readonly url: string;
  readonly fileName: string;
  readonly sha256: string | undefined;
}

export class Hub {
  readonly #base: string;
  readonly #token: string | undefined;
  readonly #proxy: EnvHttpProxyAgent;

  /** @throws MeshError `invalid_request` for an `HF_ENDPOINT` or a proxy that is no address */
  constructor(environment: NodeJS.ProcessEnv) {
    this.#base = addressIn(environment, 'HF_ENDPOINT') ?? USUAL_HUB;
    this.#token = environment.HF_TOKEN?.trim() || undefined;
    this.#proxy = proxyOf(environment);
  }

  /** The catalog names its files at the usual hub; a mirror has them at the same paths. */
  addressOf(url: string): string {
    return url.startsWith(`${USUAL_HUB}/`) ? this.#base + url.slice(USUAL_HUB.length) : url;
  }

  /** Follows no redirect. The token goes to the hub and to nobody else. */
  fetch(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const isHub = this.#isHub(url);
    const authorization = isHub && this.#token !== undefined ? { authorization: `Bearer ${this.#token}` } : {};
    return fetch(url, {
      headers: { ...headers, ...authorization },
      signal,
      redirect: 'manual',
      dispatcher: this.#proxy,
    });
  }

  /** Why the hub refused, and what to do; undefined when nothing is known of that status. */
  refusal(url: string, status: number): string | undefined {
    if (status !== 401 && status !== 403) return undefined;
    if (!this.#isHub(url))
      return `the server answered ${status}: it wants a login. Download it by hand and serve the file`;
    const token = 'https://huggingface.co/settings/tokens';
    return this.#token === undefined
      ? `the hub answered ${status}: there is no such repository, or it wants a token. Check the name, accept the model's terms on its page if it has any, and set HF_TOKEN to a token (${token})`
      : `the hub answered ${status} to your HF_TOKEN. Check the name, accept the model's terms on its page if it has any, and check the token (${token})`;
  }

  /**
   * The model that is meant by a repository: the one of the quantisation that is asked for, else Q4_K_M as everywhere, else the
   * only one. One file, or all its parts in order.
   * @throws MeshError `model_not_found`, `download_failed`, `cancelled`
   */
  async filesOf({ name, quantization }: Repository, signal: AbortSignal): Promise<readonly HubFile[]> {
    const listed = (await this.#list(name, signal)).filter(({ path }) => isWeights(path));
    // A model in parts stands there once, by whichever part comes first.
    const files = listed.filter(
      ({ path }, at) => at === listed.findIndex((other) => stemOf(other.path) === stemOf(path)),
    );
    if (files.length === 0) {
      throw notFound(`${name} has no GGUF file. Look for a repository with -GGUF in its name, and pull that.`, name);
    }
    const wanted = quantization ?? (files.length === 1 ? undefined : 'Q4_K_M');
    const fitting =
      wanted === undefined ? files : files.filter(({ path }) => quantizationOf(path) === wanted.toUpperCase());
    const [file] = fitting;
    if (file === undefined) {
      const known = files.map(({ path }) => quantizationOf(path)).filter((known) => known !== undefined);
      const choice = `Name one behind a colon, such as ${name}:${known[0] ?? 'Q8_0'}; there are ${[...new Set(known)].join(', ')}.`;
      throw notFound(`${name} has no file of ${wanted}.${didYouMean(wanted ?? '', known)} ${choice}`, name);
    }
    const paths = ggufPartNames(file.path);
    const missing = paths.filter((path) => !listed.some((other) => other.path === path));
    if (missing.length > 0) {
      const are = missing.length === 1 ? 'is' : 'are';
      throw notFound(
        `${name} has ${quantizationOf(file.path) ?? 'its model'} in several parts, of which ${listParts(missing)} ${are} missing. Name another quantisation behind a colon, or another repository.`,
        name,
      );
    }
    return paths.map((path) => ({
      url: `${this.#base}/${name}/resolve/main/${path.split('/').map(encodeURIComponent).join('/')}`,
      fileName: path.split('/').at(-1) ?? path,
      sha256: listed.find((other) => other.path === path)?.lfs?.oid,
    }));
  }

  #isHub(url: string): boolean {
    return new URL(url).origin === new URL(this.#base).origin;
  }

  async #list(name: string, signal: AbortSignal): Promise<z.infer<typeof Listing>> {
    const url = `${this.#base}/api/models/${name}/tree/main?recursive=true`;
    let response: Response;
    try {
      response = await this.fetch(url, { accept: 'application/json' }, signal);
    } catch (error) {
      if (signal.aborted) throw MeshError.cancelled();
      const message = `The hub can't be asked for ${name}: ${networkCause(error).words}. ${NETWORK_ADVICE}`;
      throw new MeshError('download_failed', message, { cause: error });
    }
    if (response.status === 404) throw notFound(`The hub has no repository ${name}. Check the name.`, name);
    const reason = this.refusal(url, response.status) ?? `it answered ${response.status}. Try again later`;
    if (!response.ok) throw new MeshError('download_failed', `The hub does not list ${name}: ${reason}.`);
    const listed = Listing.safeParse(await boundedJson(response, signal));
    if (listed.success) return listed.data;
    throw new MeshError('download_failed', `${url} lists no files as the hub does. Check HF_ENDPOINT.`);
  }
}

export const NETWORK_ADVICE = 'Check the address and the network; behind a proxy set HTTPS_PROXY.';

/** What counts here of the hub's list of files. */
const Listing = z.array(
  z.object({
    path: z.string().max(1024),
    lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/) }).optional(),
  }),
);

/** What the parts of one model have in common. */
function stemOf(path: string): string {
  const part = ggufPartOf(path);
  return part === undefined ? path : `${part.stem}/${part.count}`;
}

/** Beside weights lie what lets a model see, and what llama.cpp's quantiser made of the training text. */
function isWeights(path: string): boolean {
  return /\.gguf$/i.test(path) && !/mmproj|imatrix/i.test(path);
}

/** `Q4_K_M` of `Qwen3-8B-Q4_K_M.gguf`; of parts as of whole files. */
function quantizationOf(path: string): string | undefined {
  return /[-._]((?:UD-)?(?:I?Q\d\w*|BF16|F16|F32|MXFP4\w*))(?:-\d{5}-of-\d{5})?\.gguf$/i.exec(path)?.[1]?.toUpperCase();
}

async function boundedJson(response: Response, signal: AbortSignal): Promise<unknown> {
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > MOST_LISTING_BYTES) return undefined;
    }
    return JSON.parse(text);
  } catch {
    if (signal.aborted) throw MeshError.cancelled();
    return undefined;
  }
}

function proxyOf(environment: NodeJS.ProcessEnv): EnvHttpProxyAgent {
  const named = (name: string) => {
    const lower = name.toLowerCase();
    return addressIn(environment, environment[lower] ? lower : name, 'http://');
  };
  // Empty rather than absent: what is absent undici looks up itself.
  return new EnvHttpProxyAgent({
    httpProxy: named('HTTP_PROXY') ?? '',
    httpsProxy: named('HTTPS_PROXY') ?? '',
    noProxy: environment.no_proxy || environment.NO_PROXY || '',
  });
}

/** @param usualScheme for those who leave it out, as curl lets them. */
function addressIn(environment: NodeJS.ProcessEnv, name: string, usualScheme = ''): string | undefined {
  const text = environment[name]?.trim() ?? '';
  if (text === '') return undefined;
  const url = text.includes('://') ? text : usualScheme + text;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url.replace(/\/+$/, '');
  // The address may hold a password.
  throw new MeshError('invalid_request', `${name} is no address. Write it as http://host:port, or unset it.`);
}

function notFound(message: string, model: string): MeshError {
  return new MeshError('model_not_found', message, { details: { model } });
}
