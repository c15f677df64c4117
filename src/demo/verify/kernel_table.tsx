import type { ComponentChildren } from 'preact';
import type { CaseResult } from '../../verify/run.ts';
import { Icon } from '../icons.tsx';
import { figure, useOf } from './verify_result.ts';
import type { KernelView } from './verify_result.ts';

const STATE_NAMES: Readonly<Record<KernelView['state'], string>> = {
  waiting: 'waiting',
  running: 'running',
  passed: 'passed',
  failed: 'failed',
  'left out': 'not for this device',
};

/** A line for each kernel, which opens to its cases; those that failed are open from the start. */
export function KernelTable({ kernels }: { kernels: readonly KernelView[] }): ComponentChildren {
  return (
    <ul class="kernels">
      {kernels.map((view) => (
        <li key={view.kernel} class="kernel" data-state={view.state}>
          <details open={view.state === 'failed'}>
            <summary>
              <StateMark state={view.state} />
              <code class="kernel-name">{view.kernel}</code>
              <span class="kernel-count">{countOf(view)}</span>
              <Margin worst={view.worst} />
            </summary>
            <Cases cases={view.cases} />
          </details>
        </li>
      ))}
    </ul>
  );
}

function StateMark({ state }: { state: KernelView['state'] }): ComponentChildren {
  return (
    <span class="kernel-mark" title={STATE_NAMES[state]}>
      {state === 'passed' && <Icon name="check" />}
      {state === 'failed' && <Icon name="warning" />}
      {(state === 'running' || state === 'waiting' || state === 'left out') && (
        <span class="kernel-dot" aria-hidden="true" />
      )}
      <span class="unseen">{STATE_NAMES[state]}</span>
    </span>
  );
}

function countOf({ state, done, total, cases, leftOut }: KernelView): string {
  if (state === 'waiting' && done === 0) return '';
  if (state === 'left out') return 'needs larger subgroups';
  const failed = cases.filter(({ passed }) => !passed).length;
  const others = leftOut > 0 ? `, ${leftOut} need larger subgroups` : '';
  if (failed > 0) return `${failed} of ${done} failed${others}`;
  return total === null || total === done ? `${done} passed${others}` : `${done} of ${total}`;
}

/** How much of the tolerance the worst case takes. */
function Margin({ worst }: { worst: CaseResult | null }): ComponentChildren {
  if (worst === null) return <span class="margin" />;
  const { error, tolerance, passed } = worst;
  const use = Math.min(1, useOf(worst));
  return (
    <span class="margin" data-passed={passed} title={`worst: ${worst.case}`}>
      <span class="bar" aria-hidden="true">
        <span style={{ transform: `scaleX(${use})` }} />
      </span>
      <span class="margin-text">
        {tolerance === 0 && error === 0 ? 'exact' : `${figure(error)} of ${figure(tolerance)}`}
      </span>
    </span>
  );
}

function Cases({ cases }: { cases: readonly CaseResult[] }): ComponentChildren {
  if (cases.length === 0) return <p class="faint kernel-cases">No case has run yet.</p>;
  // Failed ones first.
  const sorted = cases.toSorted((a, b) => Number(a.passed) - Number(b.passed));
  return (
    <div class="table-scroll kernel-cases">
      <table class="figures">
        <thead>
          <tr>
            <th scope="col">Case</th>
            <th scope="col">Error</th>
            <th scope="col">Tolerance</th>
            <th scope="col">Worst number</th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((one) => (
            <tr key={one.case} data-passed={one.passed}>
              <th scope="row">{one.case}</th>
              <td>{figure(one.error)}</td>
              <td>{one.tolerance === 0 ? 'exact' : figure(one.tolerance)}</td>
              <td class="case-worst">{one.worst}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
