import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { bytes, count } from '../quantities.ts';
import type { ConvertSession, Material } from './convert_session.ts';

const KINDS = [
  { kind: 'default', name: 'Our text' },
  { kind: 'own', name: 'Your text' },
  { kind: 'statistics', name: 'Statistics' },
] as const;

/** What the model is calibrated on. */
export function MaterialFields({ session }: { session: ConvertSession }): ComponentChildren {
  const material = session.material.value;
  const known = session.calibrated.value ? session.calibration.value : null;
  const choose = (kind: Material['kind']): void => {
    session.material.value =
      kind === 'default' ? { kind } : kind === 'own' ? { kind, text: '' } : { kind, file: null };
  };
  return (
    <div class="stacked">
      <span>Calibration</span>
      <fieldset class="segments segments-wide">
        <legend class="unseen">What the model is calibrated on</legend>
        {KINDS.map(({ kind, name }) => (
          <label key={kind}>
            <input
              type="radio"
              name="material"
              checked={material.kind === kind}
              onChange={() => choose(kind)}
            />
            {name}
          </label>
        ))}
      </fieldset>
      {material.kind === 'default' && (
        <p class="faint">A short mixed text that comes with this page. Your own suits your use better.</p>
      )}
      {material.kind === 'own' && (
        <>
          <textarea
            class="field"
            rows={4}
            aria-label="Text to calibrate on"
            placeholder="Paste a text like those that the model will read, or drop a .txt file."
            value={material.text}
            onInput={({ currentTarget }) => {
              session.material.value = { kind: 'own', text: currentTarget.value };
            }}
          />
          <FileButton
            label="Choose a text file"
            accept=".txt,.md,text/plain"
            onFile={(file) => void readText(session, file)}
          />
        </>
      )}
      {material.kind === 'statistics' && (
        <>
          <p class="faint">
            {material.file
              ? `${material.file.name}, ${bytes(material.file.size)}`
              : 'A file that webmla convert --save-statistics wrote: nothing has to be calibrated.'}
          </p>
          <FileButton
            label="Choose statistics"
            accept=".safetensors"
            onFile={(file) => {
              session.material.value = { kind: 'statistics', file };
            }}
          />
        </>
      )}
      {material.kind !== 'statistics' && <Tokens session={session} />}
      {known ? (
        <p class="calibrated">
          Calibrated on {count(known.tokens)} tokens{known.fromFile ? ', from a file' : ''}. Another budget
          uses the same.
        </p>
      ) : (
        <button
          type="button"
          class="link"
          disabled={session.state.value.kind === 'running' || session.subject.value === null}
          onClick={() => void session.run('calibrate')}
        >
          Calibrate and predict only
        </button>
      )}
    </div>
  );
}

function Tokens({ session }: { session: ConvertSession }): ComponentChildren {
  return (
    <div class="setting tokens">
      <label for="calibration-tokens">Tokens, at most</label>
      <input
        id="calibration-tokens"
        class="field number"
        type="number"
        min={64}
        max={1_000_000}
        value={session.settings.value.calibrationTokens}
        onChange={({ currentTarget }) => {
          const { valueAsNumber } = currentTarget;
          if (valueAsNumber >= 64 && valueAsNumber <= 1_000_000)
            session.change({ calibrationTokens: Math.round(valueAsNumber) });
          else currentTarget.value = String(session.settings.peek().calibrationTokens);
        }}
      />
    </div>
  );
}

async function readText(session: ConvertSession, file: File): Promise<void> {
  session.material.value = { kind: 'own', text: await file.text() };
}

interface FileButtonProps {
  readonly label: string;
  readonly accept: string;
  readonly onFile: (file: File) => void;
}

function FileButton({ label, accept, onFile }: FileButtonProps): ComponentChildren {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="button button-small" onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept={accept}
        data-testid="material-file"
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? [];
          if (file) onFile(file);
          // The same file may be chosen again.
          currentTarget.value = '';
        }}
      />
    </>
  );
}
