/** Socket.io alone: one end sends a text, the server passes it to all others. Nothing is signed, checked or gathered. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { machineMs } from './one-clock.ts';

export interface PlainClients {
  /** From the first of them to all others. Returns when it was sent. */
  send(text: string): number;
  /** When each client has had its next `count` texts, one list per client. */
  received(count: number): Promise<number[][]>;
}

export function startPlainServer(): Promise<string> {
  const http = createServer();
  const server = new Server(http, { transports: ['websocket'], serveClient: false });
  server.on('connection', (socket) => {
    socket.on('text', (text: string) => socket.broadcast.emit('text', text));
  });
  return new Promise((resolve) => {
    http.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(http.address() as AddressInfo).port}`));
  });
}

export async function joinPlainServer(url: string, count: number): Promise<PlainClients> {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(url)));
  return {
    send(text) {
      const sentMs = machineMs();
      clients[0]?.emit('text', text);
      return sentMs;
    },
    received: (expected) => Promise.all(clients.map((client) => nextTexts(client, expected))),
  };
}

function connect(url: string): Promise<Socket> {
  const client = io(url, { transports: ['websocket'], forceNew: true });
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve(client));
    client.once('connect_error', reject);
  });
}

function nextTexts(client: Socket, count: number): Promise<number[]> {
  const times: number[] = [];
  return new Promise((resolve) => {
    const onText = () => {
      times.push(machineMs());
      if (times.length < count) return;
      client.off('text', onText);
      resolve(times);
    };
    client.on('text', onText);
  });
}
