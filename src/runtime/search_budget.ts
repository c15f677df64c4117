import { candidateName, expectedLoss, sameFamily } from '../convert/candidates.ts';
import type { Candidate } from '../convert/candidates.ts';
import type { CandidateReport, Measured } from '../convert/report.ts';
import { estimateRise, NOISE } from '../convert/rise_estimate.ts';
import type { Tried } from '../convert/rise_estimate.ts';

/** The search itself, apart from what it measures with: what is tried next, and when it is enough. */

/** What a search asks of the model. */
export interface Meter {
  /** Part of the energy of keys and values that a form leaves out at a width: quick, and on a few layers (candidates.ts). */
  leftOut(candidate: Candidate): Promise<number>;
  /** Converts without refit and scores the rows that were held back. */
  measure(candidate: Candidate): Promise<Measured>;
}

export interface SearchResult {
  /** null: nothing measured was good enough. */
  readonly chosen: CandidateReport | null;
  /** In the order in which they were measured, then what was not. */
  readonly candidates: readonly CandidateReport[];
}

/** What is estimated at more than so many times the best so far is not measured. */
const HOPELESS = 2;

/**
 * The best of some candidates that all fit a budget. What is expected to lose least is measured first, and what that shows of
 * losses decides who follows (rise_estimate.ts).
 * @param most candidates to measure at most; 0: the least expected loss decides
 * @param known what estimates begin with
 */
export async function searchBudget(
  meter: Meter,
  candidates: readonly Candidate[],
  most: number,
  known: readonly Tried[] = [],
): Promise<SearchResult> {
  const waiting: Expected[] = [];
  for (const candidate of candidates) waiting.push(await expect(meter, candidate));
  const tried: CandidateReport[] = [];
  while (waiting.length > 0 && tried.length < most) {
    const estimated = waiting.map((one) => ({ one, rise: estimateOf(one, tried, known) }));
    estimated.sort((a, b) => (a.rise ?? a.one.expected) - (b.rise ?? b.one.expected) || byName(a.one, b.one));
    const [next] = estimated;
    const best = leastRise(tried)?.measured?.rise;
    if (!next || (best !== undefined && (best <= NOISE || (next.rise ?? 0) > HOPELESS * best))) break;
    waiting.splice(waiting.indexOf(next.one), 1);
    tried.push(await measured(meter, next.one, next.rise));
  }
  const rest = waiting
    .toSorted((a, b) => a.expected - b.expected || byName(a, b))
    .map((one) => reportOf(one, estimateOf(one, tried, known), null));
  return { chosen: leastRise(tried) ?? rest[0] ?? null, candidates: [...tried, ...rest] };
}

/** Fewer bytes that save less than this part are not worth another measurement. */
const WORTHWHILE = 0.98;
/** For each candidate that was too narrow, estimates have to leave so much more room, until one has done. */
const ROOM = 0.7;
/** The same for the last guess; behind it comes what is safest. */
const LAST_ROOM = 0.1;

/**
 * The fewest bytes whose measured rise is at most `maxLoss`. Each step measures the narrowest width, over all families, that is
 * estimated to do; what is too narrow and what is wide enough close in on it from both sides.
 * @param families widths of each form and dtype, narrowest first
 * @param most candidates to measure at most, at least one; the last one, if nothing has done yet, is the safest there is
 * @param known what estimates begin with
 */
export async function searchLoss(
  meter: Meter,
  families: readonly (readonly Candidate[])[],
  maxLoss: number,
  most: number,
  known: readonly Tried[] = [],
): Promise<SearchResult> {
  const tried: CandidateReport[] = [];
  const expectations = await Promise.all(families.map((members) => expectFamily(meter, members)));
  for (let left = most; left > 0; left--) {
    const best = fewestBytes(tried, maxLoss);
    const room = best ? 1 : left > 2 ? ROOM ** tried.length : LAST_ROOM;
    const proposals = expectations.flatMap((members) => propose(members, tried, best, maxLoss, room, known));
    const fitting = proposals.filter(({ fits }) => fits).toSorted((a, b) => a.one.bytes - b.one.bytes);
    const safest = proposals
      .map((of) => of.safest)
      .toSorted((a, b) => a.rise - b.rise || byName(a.one, b.one));
    const worthwhile = best ? safest.filter(({ rise }) => rise <= HOPELESS * maxLoss) : safest;
    const guess = best || left > 1 ? fitting[0] : undefined;
    const next = guess ?? worthwhile[0];
    if (!next) break;
    tried.push(await measured(meter, next.one, next.rise));
  }
  return { chosen: fewestBytes(tried, maxLoss), candidates: tried };
}

/** A candidate with what it is expected to lose. */
interface Expected extends Candidate {
  readonly expected: number;
}

interface Proposal {
  readonly one: Expected;
  readonly rise: number;
  readonly fits: boolean;
  /** The widest of the family that is still of interest. */
  readonly safest: { readonly one: Expected; readonly rise: number };
}

/** The narrowest member of a family that may do, between those known to be too narrow and those known to do. */
function propose(
  members: readonly Expected[],
  tried: readonly CandidateReport[],
  best: CandidateReport | null,
  maxLoss: number,
  room: number,
  known: readonly Tried[],
): Proposal[] {
  const own = tried.filter((one) => members[0] && sameFamily(one, members[0]));
  const failed = own.filter(({ measured: found }) => found && !(found.rise <= maxLoss));
  const narrowest = Math.max(0, ...failed.map(({ row_dim }) => row_dim));
  const widest = Math.min(
    Infinity,
    ...own.filter((one) => !failed.includes(one)).map(({ row_dim }) => row_dim),
  );
  const most = best?.measured ? best.measured.bytes * WORTHWHILE : Infinity;
  const open = members
    .filter(({ row_dim, bytes }) => row_dim > narrowest && row_dim < widest && bytes < most)
    .map((one) => ({ one, rise: estimateOf(one, tried, known) ?? one.expected }));
  const safest = open.at(-1);
  if (!safest) return [];
  const goal = maxLoss * (failed.length > 0 ? Math.min(ROOM, room) : room);
  const at = open.findIndex(({ rise }) => rise <= goal);
  // Estimates close in on a width from one side only: an eighth of what is open is always cut off.
  const step = narrowest > 0 && widest < Infinity ? Math.floor(open.length / 8) : 0;
  const chosen = at < 0 ? undefined : open[Math.min(Math.max(at, step), open.length - 1 - step)];
  return [{ ...(chosen ?? safest), fits: chosen !== undefined, safest }];
}

/** Parts of the widest row at which a form is asked what it leaves out; between them it is interpolated. */
const NODES = [0, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8, 1];

/** What is left out of nothing has no logarithm. */
const SMALLEST = 1e-6;

async function expectFamily(meter: Meter, members: readonly Candidate[]): Promise<Expected[]> {
  const indices = new Set(NODES.map((part) => Math.round(part * (members.length - 1))));
  const asked = members.filter((_, i) => indices.has(i));
  const nodes: { at: number; log: number }[] = [];
  for (const one of asked) {
    const left = await meter.leftOut(one);
    nodes.push({ at: one.row_dim, log: Math.log(Math.max(left, SMALLEST)) });
  }
  return members.map((one) => {
    const right = nodes.findIndex(({ at }) => at >= one.row_dim);
    const [a, b] = [nodes[Math.max(0, right - 1)], nodes[Math.max(0, right)]];
    const between = a && b && b.at > a.at ? (one.row_dim - a.at) / (b.at - a.at) : 0;
    const left = Math.exp((a?.log ?? 0) + Math.max(0, between) * ((b?.log ?? 0) - (a?.log ?? 0)));
    return { ...one, expected: expectedLoss(left, one.cacheDtype) };
  });
}

async function expect(meter: Meter, candidate: Candidate): Promise<Expected> {
  return { ...candidate, expected: expectedLoss(await meter.leftOut(candidate), candidate.cacheDtype) };
}

async function measured(meter: Meter, one: Expected, estimate: number | null): Promise<CandidateReport> {
  return reportOf(one, estimate, await meter.measure(one));
}

function reportOf(
  { expected, ...candidate }: Expected,
  estimatedRise: number | null,
  found: Measured | null,
): CandidateReport {
  return { ...candidate, expectedLoss: expected, estimatedRise, measured: found };
}

function estimateOf(
  one: Expected,
  tried: readonly CandidateReport[],
  known: readonly Tried[],
): number | null {
  const found = tried.flatMap((candidate): Tried[] =>
    candidate.measured && candidate.expectedLoss !== null
      ? [{ candidate, expected: candidate.expectedLoss, rise: candidate.measured.rise }]
      : [],
  );
  return estimateRise(one, one.expected, found.length > 0 ? found : known);
}

function leastRise(tried: readonly CandidateReport[]): CandidateReport | null {
  return first(tried, (a, b) => riseOf(a) - riseOf(b) || bytesOf(a) - bytesOf(b));
}

function fewestBytes(tried: readonly CandidateReport[], maxLoss: number): CandidateReport | null {
  return first(
    tried.filter((one) => riseOf(one) <= maxLoss),
    (a, b) => bytesOf(a) - bytesOf(b) || riseOf(a) - riseOf(b),
  );
}

function first(
  tried: readonly CandidateReport[],
  order: (a: CandidateReport, b: CandidateReport) => number,
): CandidateReport | null {
  return tried.toSorted((a, b) => order(a, b) || byName(a, b))[0] ?? null;
}

/** A rise that is no number is no rise to be had. */
function riseOf({ measured: found }: CandidateReport): number {
  return found && Number.isFinite(found.rise) ? found.rise : Infinity;
}

function bytesOf({ measured: found, bytes: most }: CandidateReport): number {
  return found?.bytes ?? most;
}

function byName(a: Candidate, b: Candidate): number {
  const [x, y] = [candidateName(a), candidateName(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
