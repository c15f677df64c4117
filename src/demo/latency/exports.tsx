import type { ComponentChildren } from 'preact';
import { CopyButton } from '../copy_button.tsx';
import { csvOf } from './latency_report.ts';
import type { LatencyReport } from './latency_report.ts';
import type { LatencySession } from './latency_session.ts';
import { pictureOf } from './picture.ts';

interface ExportsProps {
  readonly session: LatencySession;
  readonly report: LatencyReport;
}

/** The result to take along: as data, as a picture, and as an address that asks for the same again. */
export function Exports({ session, report }: ExportsProps): ComponentChildren {
  const announce = (said: string): void => {
    session.spoken.value = said;
  };
  const picture = async (): Promise<void> => {
    try {
      save(await pictureOf(report), 'webmla-race.png');
      announce('The picture is saved.');
    } catch (error) {
      announce(error instanceof Error ? error.message : String(error));
    }
  };
  const json = JSON.stringify(report, null, 2);
  return (
    <div class="actions" role="group" aria-label="Export">
      <CopyButton wide label="Copy link" text={report.link} announce={announce} />
      <CopyButton wide label="Copy JSON" text={json} announce={announce} />
      <SaveButton
        label="Save JSON"
        onClick={() => save(textBlob(json, 'application/json'), 'webmla-race.json')}
      />
      <SaveButton
        label="Save CSV"
        onClick={() => save(textBlob(csvOf(report), 'text/csv'), 'webmla-race.csv')}
      />
      <SaveButton label="Save picture" onClick={() => void picture()} />
    </div>
  );
}

function SaveButton({ label, onClick }: { label: string; onClick: () => void }): ComponentChildren {
  return (
    <button type="button" class="button button-plain" onClick={onClick}>
      {label}
    </button>
  );
}

function textBlob(text: string, type: string): Blob {
  return new Blob([text], { type });
}

function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
