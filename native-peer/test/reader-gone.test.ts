/** Commands whose output goes to a program that has read enough, as in `tabmesh doctor | head -1`. */
import { describe, expect, it } from 'vitest';
import { startTabmesh } from './tabmesh-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Nobody reads its output from the first line on, or at all. */
async function unread(args: readonly string[], firstLine: boolean) {
  const command = startTabmesh(args, { TABMESH_HOME: await temporaryFolder() });
  if (firstLine) await command.prints(/\n/);
  command.child.stdout?.destroy();
  const { code, stderr } = await command.ended;
  return { code, stderr };
}

describe('a command whose reader is gone', () => {
  it.each([
    [['doctor']],
    [['models', 'ls']],
    [['models', 'ls', '--json']],
    [['--help']],
    [['--version']],
    [['complete', 'bash']],
  ])('CL51: %j ends quietly when nobody reads it at all', async (args) => {
    const { code, stderr } = await unread(args, false);
    expect(stderr).toBe('');
    // Doctor may have found a problem before it found nobody to tell.
    expect(code).toBeLessThan(2);
  });

  it('CL51: doctor ends quietly after its first line', async () => {
    expect(await unread(['doctor'], true)).toEqual({ code: 0, stderr: '' });
  });

  it('CL51: a service that has something to say closes what it opened and ends', async () => {
    const { code, stderr } = await unread(['entry', '--port', '0'], false);
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/EPIPE|^ +at /m);
  });
});
