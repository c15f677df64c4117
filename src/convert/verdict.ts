import { WebMlaError } from '../core/errors.ts';
import { candidateName } from './candidates.ts';
import type { Candidate } from './candidates.ts';
import type { Goal } from './goal.ts';
import type { CandidateReport, Measured } from './report.ts';

/**
 * The candidate to convert to.
 * @throws WebMlaError `bad_request` when nothing that was measured stays within the loss; details.best came nearest
 */
export function winnerOf(
  goal: Goal,
  {
    chosen,
    candidates,
  }: { readonly chosen: CandidateReport | null; readonly candidates: readonly CandidateReport[] },
  rivals: readonly CandidateReport[],
): Candidate {
  if (goal.kind === 'fixed') return goal.candidate;
  if (chosen) {
    const { form, cacheDtype, row_dim, bytes } = chosen;
    return { form, cacheDtype, row_dim, bytes };
  }
  const asked = goal.kind === 'loss' ? goal.maxLoss : 0;
  const best = candidates.toSorted((a, b) => riseOf(a) - riseOf(b))[0] ?? null;
  const [rival = null] = within(rivals, asked);
  const reached = best ? `${riseOf(best).toFixed(4)} (${candidateName(best)})` : 'none';
  throw new WebMlaError(
    'bad_request',
    `maxLoss: expected a conversion within ${asked}, the best of ${candidates.length} measured reaches ${reached}`,
    rival
      ? `The model's own ${rival.cacheDtype} cache stays within it at ${rival.bytes} bytes a token.`
      : 'Allow more loss, or leave form and cacheDtype open.',
    { best, rival },
  );
}

/** What a person would rather have: less loss at no more bytes; where the loss was given, fewer bytes. */
export function betterRival(
  rivals: readonly CandidateReport[],
  own: Measured,
  goal: Goal,
): CandidateReport | null {
  const better =
    goal.kind === 'loss'
      ? within(rivals, goal.maxLoss).filter(({ bytes }) => bytes < own.bytes)
      : rivals.filter((one) => riseOf(one) < own.rise).toSorted((a, b) => riseOf(a) - riseOf(b));
  return better[0] ?? null;
}

function within(rivals: readonly CandidateReport[], maxLoss: number): CandidateReport[] {
  return rivals.filter((one) => riseOf(one) <= maxLoss).toSorted((a, b) => a.bytes - b.bytes);
}

function riseOf({ measured }: CandidateReport): number {
  return measured?.rise ?? Infinity;
}
