import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import type { KeptModel } from '../../conversion.ts';
import { failureOf } from '../failure.ts';
import type { Failure } from '../failure.ts';
import { FailureText } from '../failure_text.tsx';
import { addressChoice, madeAddress } from '../model_choice.ts';
import { bytes } from '../quantities.ts';
import { useChat } from './chat_context.ts';
import { DeleteButton } from './stored_files.tsx';

/** Models that convert.html made and that are kept on this device. Nothing where there are none. */
export function MadeModels(): ComponentChildren {
  const chat = useChat();
  const models = useSignal<readonly KeptModel[]>([]);
  const failure = useSignal<Failure | null>(null);
  const refresh = async (gone: string | null): Promise<void> => {
    try {
      const { KeptModels } = await import('../../conversion.ts');
      const kept = await KeptModels.open();
      if (gone !== null) await kept.delete(gone);
      models.value = await kept.list();
      failure.value = null;
    } catch (error) {
      // Where nothing may be kept, nothing was; the list of downloads says so.
      if (gone !== null) failure.value = failureOf(error);
    }
  };
  useEffect(() => void refresh(null), []);
  if (models.value.length === 0) return null;
  return (
    <section class="form-section" aria-labelledby="made-title">
      <h3 id="made-title">Converted on this device</h3>
      {failure.value && <FailureText failure={failure.value} />}
      <ul class="stored">
        {models.value.map(({ name, bytes: size }) => (
          <li key={name} class="model-row">
            <span class="model-row-text">{name}</span>
            <span class="stored-size">{bytes(size)}</span>
            <button
              type="button"
              class="button"
              aria-label={`Load ${name}`}
              onClick={() => chat.loadModel(addressChoice(madeAddress(name)))}
            >
              Load
            </button>
            <DeleteButton name={name} size={size} onDelete={() => void refresh(name)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
