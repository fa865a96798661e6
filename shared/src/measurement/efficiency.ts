/** What the mesh costs: through-mesh rate over native rate, of one peer and class (BL10). */
import type { Baseline, Measured } from '../protocol/announcement.ts';

export interface MeshEfficiency {
  /** 1: the mesh costs nothing. */
  readonly ratio: number;
  /** Green, amber, red. */
  readonly grade: 'good' | 'fair' | 'poor';
}

const GOOD_FROM = 0.8;
const FAIR_FROM = 0.5;

/** null: not measured yet, which is not the same as slow. */
export function meshEfficiency(
  measured: Pick<Measured, 'tokensPerSecond'> | null,
  baseline: Pick<Baseline, 'tokensPerSecond'> | null,
): MeshEfficiency | null {
  if (measured === null || baseline === null || baseline.tokensPerSecond <= 0) return null;
  const ratio = measured.tokensPerSecond / baseline.tokensPerSecond;
  return { ratio, grade: efficiencyGrade(ratio) };
}

export function efficiencyGrade(ratio: number): MeshEfficiency['grade'] {
  if (ratio >= GOOD_FROM) return 'good';
  return ratio >= FAIR_FROM ? 'fair' : 'poor';
}
