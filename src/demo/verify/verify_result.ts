import type { AdapterInfo } from '../../index.ts';
import type { CaseResult } from '../../verify/run.ts';
import type { Verification } from '../../verify/verify_device.ts';
import { adapterName } from '../adapter_name.ts';

/** What `?auto=1` gives (contract: "Pages"), and what is copied. */
export interface VerifyResult {
  readonly adapter: AdapterInfo;
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly {
    readonly kernel: string;
    readonly case: string;
    readonly error: number;
    readonly tolerance: number;
  }[];
}

export function resultOf({ adapter, cases }: Verification): VerifyResult {
  const passed = cases.filter((one) => one.passed).length;
  return {
    adapter,
    passed,
    failed: cases.length - passed,
    cases: cases.map(({ kernel, case: name, error, tolerance }) => ({
      kernel,
      case: name,
      // JSON has no infinity, which stands for NaN and for a case that could not run.
      error: Number.isFinite(error) ? error : Number.MAX_VALUE,
      tolerance,
    })),
  };
}

/** A kernel and what came of its cases so far. */
export interface KernelView {
  readonly kernel: string;
  readonly state: 'waiting' | 'running' | 'passed' | 'failed' | 'left out';
  readonly done: number;
  /** null before it is known. */
  readonly total: number | null;
  /** The case that came nearest to its tolerance, or went furthest beyond. */
  readonly worst: CaseResult | null;
  readonly cases: readonly CaseResult[];
  /** Cases for larger subgroups than this device has. */
  readonly leftOut: number;
}

export function kernelViews(
  { kernels, now, cases, leftOut }: Verification,
  running: boolean,
): readonly KernelView[] {
  return kernels.map((kernel) => {
    const own = cases.filter((one) => one.kernel === kernel);
    const current = now?.kernel === kernel ? now : null;
    const missing = leftOut[kernel] ?? 0;
    const begun = own.length > 0 || current !== null || missing > 0;
    const over = begun && (current === null || (current.total > 0 && current.done === current.total));
    const failed = own.some(({ passed }) => !passed);
    return {
      kernel,
      state: failed ? 'failed' : over ? endOf(own.length) : begun && running ? 'running' : 'waiting',
      done: own.length,
      total: over ? own.length : (current?.total ?? 0) > 0 ? (current?.total ?? null) : null,
      worst: own.toSorted((a, b) => useOf(b) - useOf(a))[0] ?? null,
      cases: own,
      leftOut: missing,
    };
  });
}

function endOf(run: number): 'passed' | 'left out' {
  return run === 0 ? 'left out' : 'passed';
}

/** Share of the tolerance that the error takes; beyond 1 it failed. Exact cases take all or nothing. */
export function useOf({ error, tolerance }: CaseResult): number {
  if (error === 0) return 0;
  return tolerance === 0 ? Infinity : error / tolerance;
}

/** 0 to 1; each kernel counts the same. */
export function shareOf({ kernels, now }: Verification): number {
  if (now === null) return 1;
  const inner = now.total === 0 ? 0 : now.done / now.total;
  return (kernels.indexOf(now.kernel) + inner) / kernels.length;
}

/** 1.9e-6, 0.15, 0 */
export function figure(value: number): string {
  if (value === 0) return '0';
  if (!Number.isFinite(value)) return '∞';
  return value < 1e-3 ? value.toExponential(1) : value.toPrecision(2);
}

export function markdownOf(verification: Verification): string {
  const { adapter, passed, failed } = resultOf(verification);
  const rows = kernelViews(verification, false).map(({ kernel, cases, worst }) => {
    const good = cases.filter((one) => one.passed).length;
    const error = worst === null ? '' : `${figure(worst.error)} of ${figure(worst.tolerance)}`;
    return `| ${kernel} | ${good} | ${cases.length - good} | ${error} |`;
  });
  const leftOut = Object.entries(verification.leftOut).map(
    ([kernel, count]) => `- ${kernel}: ${count} cases need larger subgroups than this device has`,
  );
  const failures = verification.cases
    .filter((one) => !one.passed)
    .map((one) => `- ${one.kernel}, ${one.case}: ${one.worst}`);
  return [
    `${passed} cases passed, ${failed} failed, on ${adapterName(adapter)}${adapter.software ? ' (software)' : ''}.`,
    '',
    '| kernel | passed | failed | worst error |',
    '|---|---:|---:|---:|',
    ...rows,
    ...(leftOut.length > 0 ? ['', ...leftOut] : []),
    ...(failures.length > 0 ? ['', ...failures] : []),
    '',
  ].join('\n');
}
