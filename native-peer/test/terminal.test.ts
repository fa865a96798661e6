/** What strangers write into a user's terminal: nothing but text. */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Server } from 'socket.io';
import { describe, expect, it, onTestFinished } from 'vitest';
import { printableLine, shownLine } from '../src/cli/logging.ts';
import { startTabmesh } from './tabmesh-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

const HOSTILE = 'full\u001b]0;owned\u0007\r\n\u009b2JTabMesh ready: \u202ehttp://evil.example';
const SHOWN = 'full\\u001b]0;owned\\u0007\\r\\n\\u009b2JTabMesh ready: \\u202ehttp://evil.example';
/** What a terminal obeys, a line break aside. */
const OBEYED = /[^\P{Cc}\n]|\p{Bidi_Control}/u;

describe('the output of a command', () => {
  it('CL53: shows what an entry says in its refusal as text, on stderr and in the log', async () => {
    const http = createServer();
    const io = new Server(http);
    io.on('connection', (socket) => {
      socket.emit('refused', { code: 'unauthorized', message: HOSTILE, final: true });
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void io.close());
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const command = startTabmesh(['serve', 'mesh-tiny', '--join', url], { TABMESH_HOME: await temporaryFolder() });

    const { code, stdout, stderr } = await command.ended;

    expect(code).toBe(1);
    expect(stderr).toContain(`${SHOWN} (unauthorized)`);
    expect(stdout + stderr).not.toMatch(OBEYED);
  });

  it.each([['printed'], ['logged']])('CL53: an error that is %s with its stack does nothing to the terminal', (how) => {
    const folder = join(import.meta.dirname, '../src/cli');
    const source = `
      import { reportError } from '${folder}/report-error.ts';
      import { createLogger } from '${folder}/logging.ts';
      const error = new Error(${JSON.stringify(HOSTILE)});
      if ('${how}' === 'printed') reportError(error);
      else (await createLogger('info')).warn({ err: error, said: ${JSON.stringify(HOSTILE)} }, ${JSON.stringify(HOSTILE)});`;
    const { stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      env: { PATH: '', TABMESH_LOG: 'debug' },
    });
    expect(stderr).toContain('full');
    expect(stderr).not.toMatch(OBEYED);
  });
});

describe('a line of the log', () => {
  const line = `${JSON.stringify({ level: 40, msg: HOSTILE, path: 'C:\\new\\u001b', stack: 'Error: x\n    at y' })}\n`;

  it('CL53: is the same JSON elsewhere', () => {
    expect(printableLine(line)).not.toMatch(OBEYED);
    expect(JSON.parse(printableLine(line))).toEqual(JSON.parse(line));
  });

  it('CL53: says in a terminal what it would have done, and keeps the lines of a stack', () => {
    expect(JSON.parse(shownLine(line))).toEqual({
      level: 40,
      msg: SHOWN,
      path: 'C:\\new\\u001b',
      stack: 'Error: x\n    at y',
    });
  });
});
