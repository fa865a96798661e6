/** What an own page of an app sends along, as a browser does. */
import type { FastifyInstance } from 'fastify';

export async function ownPage(app: FastifyInstance, host = 'localhost:8080') {
  const headers = { host, origin: `http://${host}` };
  const reply = await app.inject({ method: 'POST', url: '/api/page-token', headers });
  return { ...headers, 'x-tabmesh-page': String(reply.json().token) };
}
