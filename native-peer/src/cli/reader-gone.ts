/**
 * What happens when nobody reads the output any more, as in `tabmesh doctor | head -1`: other programs are ended by SIGPIPE
 * without a word; Node would tell of an unhandled error with a stack.
 */

/** The process ends, unless it has something to close first. */
let handle = (): void => process.exit(0);

/** For the whole life of the process. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      handle();
    });
  }
}

/** Called for each piece of output that nobody reads, in place of ending the process. */
export function whenReaderGone(listener: () => void): void {
  handle = listener;
}
