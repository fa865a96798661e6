/** Round trip and throughput of a link of the mesh, against a bare data channel between the same two processes. */
import { connectBoth } from './peers/linked-processes.ts';
import { type Benchmark, toResult } from './run/benchmark.ts';
import { inTurn, median, medianOfPairs, percentile } from './run/statistics.ts';

const RIVAL = 'bare data channel';
const RTT_ROUNDS = 9;
const ROUND_TRIPS = 300;
const SMALL_BYTES = 100;
const THROUGHPUT_ROUNDS = 7;
const LARGE_BYTES = 16 * 1024;
/** 16 MB a round. */
const MESSAGES = 1024;

export const benchmark: Benchmark = {
  name: 'link-throughput',
  describe: 'round trip and throughput of a link, against a bare data channel between the same two processes',
  async run(context) {
    const { signal, progress } = context;
    const { alice, bobId } = await connectBoth(context);

    progress(`${RTT_ROUNDS} rounds of ${ROUND_TRIPS} round trips`);
    const trips = await inTurn({
      rounds: RTT_ROUNDS,
      warmUps: 2,
      signal,
      ours: () => alice.call('roundTripsMs', { to: bobId, count: ROUND_TRIPS, bytes: SMALL_BYTES }),
      rivals: () => alice.call('bare-roundTripsMs', { count: ROUND_TRIPS, bytes: SMALL_BYTES }),
    });
    progress(`${THROUGHPUT_ROUNDS} rounds of ${MESSAGES} messages`);
    const rates = await inTurn({
      rounds: THROUGHPUT_ROUNDS,
      warmUps: 1,
      signal,
      ours: () => alice.call('bytesPerSecond', { to: bobId, messages: MESSAGES, bytes: LARGE_BYTES }),
      rivals: () => alice.call('bare-bytesPerSecond', { messages: MESSAGES, bytes: LARGE_BYTES }),
    });

    const roundTrip = (percent: number) =>
      toResult({
        name: `round trip of ${SMALL_BYTES} B, p${percent}`,
        value: percentile(trips.ours.flat(), percent),
        unit: 'ms',
        rival: { name: RIVAL, value: percentile(trips.rivals.flat(), percent) },
      });
    return [
      roundTrip(50),
      roundTrip(99),
      toResult({
        name: `throughput with messages of ${LARGE_BYTES / 1024} KiB`,
        value: median(rates.ours) / 1e6,
        unit: 'MB/s',
        rival: { name: RIVAL, value: median(rates.rivals) / 1e6 },
        ratio: medianOfPairs(rates, (link, bare) => link / bare),
      }),
    ];
  },
};
