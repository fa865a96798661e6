/** A hub on loopback with one repository, and a proxy that notes what goes through it. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { onTestFinished } from 'vitest';

export interface HubServer {
  readonly url: string;
  /** Paths of its files: what is listed and served. May be changed. */
  readonly files: Map<string, Buffer>;
  /** Every request, in order. */
  readonly requests: { readonly path: string; readonly authorization: string | undefined }[];
  /** What a request must carry; undefined: nothing. */
  token: string | undefined;
  /** Where files really are, as hubs keep them on another host; undefined: here. */
  storage: string | undefined;
}

export async function startHubServer(repository: string, files: Record<string, Buffer>): Promise<HubServer> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://hub').pathname);
    hub.requests.push({ path, authorization: request.headers.authorization });
    if (hub.token !== undefined && request.headers.authorization !== `Bearer ${hub.token}`) {
      response.writeHead(401).end();
    } else if (path === `/api/models/${repository}/tree/main`) {
      response.end(JSON.stringify([...hub.files.keys()].map((name) => ({ type: 'file', path: name }))));
    } else if (path.startsWith(`/${repository}/blob/main/`)) {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>A model</title>');
    } else {
      const file = hub.files.get(path.replace(`/${repository}/resolve/main/`, ''));
      if (file === undefined) response.writeHead(404).end();
      else if (hub.storage !== undefined) response.writeHead(302, { location: hub.storage + path }).end();
      else response.end(file);
    }
  });
  const url = await listening(server);
  const hub: HubServer = {
    url,
    files: new Map(Object.entries(files)),
    requests: [],
    token: undefined,
    storage: undefined,
  };
  return hub;
}

/** Passes tunnels and plain requests on. */
export async function startProxy(): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    void fetch(request.url ?? '').then(async (answer) => {
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  server.on('connect', (request: IncomingMessage, socket, head) => {
    asked.push(request.url ?? '');
    const { hostname, port } = new URL(`http://${request.url}`);
    const target = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.write(head);
      socket.pipe(target).pipe(socket);
    });
    for (const end of [socket, target]) end.on('error', () => end.destroy());
  });
  return { url: await listening(server), asked };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
