/** The command as it ran before it was compiled: `node --import tsx` with this file translates its sources at every start. */
import { main } from '../../../native-peer/src/cli/cli.ts';

await main(process.argv.slice(2));
