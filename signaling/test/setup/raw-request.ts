/** A request byte by byte, for what no HTTP client sends: a foreign host, a whole address, half a request. */
import { connect } from 'node:net';

export interface RawReply {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** Sends the lines as they are, and resolves with what came until the other end closed. */
export async function rawRequest(url: string, lines: readonly string[], body = ''): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  const [headers = '', ...rest] = text.split('\r\n\r\n');
  return { status: Number(headers.split(' ')[1]), headers, body: rest.join('\r\n\r\n') };
}
