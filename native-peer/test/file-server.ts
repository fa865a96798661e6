/** A model hub on loopback that serves one file and can be told to misbehave. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface FileServer {
  /** `.../model.gguf`; `/redirect` beside it redirects there, as hubs do, with the hash in the redirect. */
  readonly url: string;
  readonly redirectUrl: string;
  /** May be changed between requests. */
  readonly manners: Manners;
  /** Of the requests for the file, in order. */
  readonly requests: IncomingHttpHeaders[];
  /** Resolves with the first of them. */
  readonly requested: Promise<void>;
  close(): Promise<void>;
}

export interface Manners {
  body: Buffer;
  etag: string | undefined;
  ranges: boolean;
  /** Every answer ends with a cut connection after this many bytes. */
  cutAfterBytes: number | undefined;
  /** Every answer stands still after this many bytes. */
  holdAfterBytes: number | undefined;
  status: number | undefined;
  linkedEtag: string | undefined;
}

export async function startFileServer(body: Buffer): Promise<FileServer> {
  const manners: Manners = {
    body,
    etag: '"first"',
    ranges: true,
    cutAfterBytes: undefined,
    holdAfterBytes: undefined,
    status: undefined,
    linkedEtag: undefined,
  };
  const requests: IncomingHttpHeaders[] = [];
  let onRequest: () => void = () => {};
  const requested = new Promise<void>((resolve) => {
    onRequest = resolve;
  });
  const server = createServer((request, response) => {
    if (request.url === '/redirect') {
      const linked = manners.linkedEtag === undefined ? {} : { 'x-linked-etag': `"${manners.linkedEtag}"` };
      response.writeHead(302, { location: '/model.gguf', ...linked }).end();
      return;
    }
    requests.push(request.headers);
    onRequest();
    if (manners.status !== undefined) {
      response.writeHead(manners.status).end();
      return;
    }
    const { etag } = manners;
    const start = startOf(request.headers, manners);
    const rest = manners.body.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': rest.length,
      ...(etag === undefined ? {} : { etag }),
      ...(start > 0 ? { 'content-range': `bytes ${start}-${manners.body.length - 1}/${manners.body.length}` } : {}),
    });
    if (manners.holdAfterBytes !== undefined) response.write(rest.subarray(0, manners.holdAfterBytes));
    // What ends before the cut ends well: a connection that is cut behind the last byte may lose it.
    else if (rest.length <= (manners.cutAfterBytes ?? Number.POSITIVE_INFINITY)) response.end(rest);
    else response.write(rest.subarray(0, manners.cutAfterBytes), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  const origin = `http://127.0.0.1:${port}`;
  return { url: `${origin}/model.gguf`, redirectUrl: `${origin}/redirect`, manners, requests, requested, close };
}

/** As RFC 9110 has it: a range is honoured only while `if-range` names the present file. */
function startOf(headers: IncomingHttpHeaders, { ranges, etag }: Manners): number {
  const match = /^bytes=(\d+)-$/.exec(headers.range ?? '');
  if (!ranges || match === null) return 0;
  if (headers['if-range'] !== undefined && headers['if-range'] !== etag) return 0;
  return Number(match[1]);
}
