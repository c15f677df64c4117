import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { failureOf } from '../failure.ts';
import type { Failure } from '../failure.ts';
import { FailureText } from '../failure_text.tsx';
import { Icon } from '../icons.tsx';
import { bytes } from '../quantities.ts';
import { folderName } from './conversion_record.ts';
import type { ConversionRecord } from './conversion_record.ts';
import type { ConvertSession } from './convert_session.ts';
import { canPickFolder, keepForChat, saveToFolder } from './take_out.ts';

interface TakeAwayProps {
  readonly record: ConversionRecord;
  readonly files: readonly File[];
  readonly session: ConvertSession;
}

/** Chat with it, or take it along. */
export function TakeAway({ record, files, session }: TakeAwayProps): ComponentChildren {
  const busy = useSignal(false);
  const failure = useSignal<Failure | null>(null);
  const name = folderName(record);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    busy.value = true;
    failure.value = null;
    try {
      await work();
    } catch (error) {
      failure.value = failureOf(error);
    }
    busy.value = false;
  };
  const chat = async (): Promise<void> => {
    location.href = await keepForChat(name, files, record.conversion.cacheDtype);
  };
  const save = async (): Promise<void> => {
    if (await saveToFolder(name, files)) session.spoken.value = `Saved as ${name}.`;
  };
  return (
    <div class="take-away">
      <div class="field-row">
        <button
          type="button"
          class="button button-accent"
          disabled={busy.value}
          onClick={() => void attempt(chat)}
        >
          Chat with it
        </button>
        {canPickFolder() && (
          <button type="button" class="button" disabled={busy.value} onClick={() => void attempt(save)}>
            <Icon name="folder" />
            Save to a folder
          </button>
        )}
      </div>
      {failure.value && (
        <div class="panel" role="alert">
          <FailureText title="It could not be written" failure={failure.value} />
        </div>
      )}
      <details class="downloads">
        <summary>Download, {bytes(size)} in all</summary>
        <ul>
          {files.map((file) => (
            <li key={file.name}>
              <FileLink file={file} /> <span class="faint">{bytes(file.size)}</span>
            </li>
          ))}
        </ul>
        <p class="faint">
          Put together in one folder they are a model for this site, the library and the command line.
        </p>
      </details>
    </div>
  );
}

function FileLink({ file }: { file: File }): ComponentChildren {
  const [url, setUrl] = useState('');
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return (
    <a href={url} download={file.name}>
      {file.name}
    </a>
  );
}
