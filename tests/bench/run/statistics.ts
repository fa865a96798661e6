/** Figures of repeated rounds. Medians, because one round in ten meets another program on the machine. */

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** With linear interpolation between neighbours. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}

/** The median over rounds of one figure made of both ends of a round. */
export function medianOfPairs(
  rounds: { readonly ours: readonly number[]; readonly rivals: readonly number[] },
  figure: (ours: number, rivals: number) => number,
): number {
  return median(rounds.ours.map((ours, round) => figure(ours, rounds.rivals[round] ?? Number.NaN)));
}

/**
 * Runs both in turn, `rounds` times, and changes who goes first with every round, so that a machine that slows down slows
 * both. The first `warmUps` rounds are not in the result.
 */
export async function inTurn<Ours, Rivals>(options: {
  readonly rounds: number;
  readonly warmUps: number;
  ours(round: number): Promise<Ours> | Ours;
  rivals(round: number): Promise<Rivals> | Rivals;
  readonly signal: AbortSignal;
}): Promise<{ ours: Ours[]; rivals: Rivals[] }> {
  const kept = { ours: [] as Ours[], rivals: [] as Rivals[] };
  for (let round = 0; round < options.warmUps + options.rounds; round += 1) {
    options.signal.throwIfAborted();
    let ours: Ours;
    let rivals: Rivals;
    if (round % 2 === 0) {
      ours = await options.ours(round);
      rivals = await options.rivals(round);
    } else {
      rivals = await options.rivals(round);
      ours = await options.ours(round);
    }
    if (round < options.warmUps) continue;
    kept.ours.push(ours);
    kept.rivals.push(rivals);
  }
  return kept;
}
