import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { deleteStoredFile, listStoredFiles } from '../../index.ts';
import type { StoredFile } from '../../index.ts';
import { Icon } from '../icons.tsx';
import { bytes, plural } from '../quantities.ts';
import { failureOf } from '../failure.ts';
import type { Failure } from '../failure.ts';
import { FailureText } from '../failure_text.tsx';
import { asError } from './model_session.ts';
import { groupStored, totalBytes } from '../stored_groups.ts';
import type { NamedFile, StoredGroup } from '../stored_groups.ts';

type Delete = (files: readonly NamedFile[]) => void;

/** Downloads that this browser keeps: what they are, what they take, and a way to be rid of them. */
export function StoredFiles(): ComponentChildren {
  const files = useSignal<readonly StoredFile[] | null>(null);
  const failure = useSignal<Failure | null>(null);
  const remove = async (gone: readonly NamedFile[]): Promise<void> => {
    try {
      for (const { sha256 } of gone) await deleteStoredFile(sha256);
      files.value = await listStoredFiles();
      failure.value = null;
    } catch (error) {
      failure.value = failureOf(asError(error));
    }
  };
  useEffect(() => void remove([]), []);
  const groups = groupStored(files.value ?? []);
  return (
    <section class="form-section" aria-labelledby="stored-title">
      <div class="form-head">
        <h3 id="stored-title">Kept on this device</h3>
        {groups.length > 0 && <span class="faint">{bytes(totalBytes(files.value ?? []))} in all</span>}
      </div>
      {failure.value && <FailureText failure={failure.value} />}
      {files.value?.length === 0 && (
        <p class="faint">Nothing yet. What is downloaded is kept here and not fetched again.</p>
      )}
      <ul class="stored">
        {groups.map((group) => (
          <GroupRow key={group.place} group={group} onDelete={(gone) => void remove(gone)} />
        ))}
      </ul>
    </section>
  );
}

/** The files of one model. */
function GroupRow({ group, onDelete }: { group: StoredGroup; onDelete: Delete }): ComponentChildren {
  const { name, place, files } = group;
  return (
    <li>
      <div class="model-row">
        <div class="model-row-text">
          <strong>{name}</strong>
          <span class="faint">{place}</span>
        </div>
        <span class="stored-size">{bytes(totalBytes(files))}</span>
        <DeleteButton name={name} size={totalBytes(files)} onDelete={() => onDelete(files)} />
      </div>
      <details class="stored-files">
        <summary>{plural(files.length, 'file')}</summary>
        <ul class="stored">
          {files.map((file) => (
            <li key={file.sha256} class="model-row">
              <span class="model-row-text">{file.name}</span>
              <span class="stored-size">{bytes(file.bytes)}</span>
              <DeleteButton name={file.name} size={file.bytes} onDelete={() => onDelete([file])} />
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}

interface DeleteButtonProps {
  readonly name: string;
  readonly size: number;
  readonly onDelete: () => void;
}

/** Asks once more before it deletes: what is gone has to be downloaded again. */
export function DeleteButton({ name, size, onDelete }: DeleteButtonProps): ComponentChildren {
  const asking = useSignal(false);
  if (!asking.value) {
    return (
      <button
        type="button"
        class="icon-button"
        aria-label={`Delete ${name}, ${bytes(size)}`}
        title="Delete"
        onClick={() => {
          asking.value = true;
        }}
      >
        <Icon name="trash" />
      </button>
    );
  }
  return (
    <>
      <button type="button" class="button button-bad" onClick={onDelete}>
        Delete {name}
      </button>
      <button
        type="button"
        class="button"
        onClick={() => {
          asking.value = false;
        }}
      >
        Keep
      </button>
    </>
  );
}
