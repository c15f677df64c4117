import type { ComponentChildren } from 'preact';
import type { EngineInfo } from '../../index.ts';
import { bytes, count, duration, parameters, plural } from '../quantities.ts';
import { useChat } from './chat_context.ts';
import { ATTENTION_NAMES } from '../forms.ts';

/** What is loaded now, for those who want to know exactly. */
export function ModelFacts(): ComponentChildren {
  const state = useChat().session.state.value;
  if (state.kind !== 'ready') return null;
  const { info } = state;
  return (
    <section class="form-section facts" aria-label="Loaded now">
      <h3>{info.model}</h3>
      <dl>
        {factsOf(info).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {info.notes.map((note) => (
        <p key={note} class="note">
          {note}
        </p>
      ))}
    </section>
  );
}

function factsOf(info: EngineInfo): readonly (readonly [string, string])[] {
  const { memory, conversion } = info;
  const formats = Object.entries(info.weightFormats).map(([format, size]) => `${format} ${bytes(size)}`);
  return [
    ['Parameters', `${parameters(info.parameters)}, ${info.architecture}`],
    ['Attention', attentionText(info, conversion?.length ?? 0)],
    ['Weights', formats.join(', ')],
    ['On the GPU', `${bytes(memory.weights + memory.cache + memory.activations)} in all`],
    ['KV cache', `${bytes(memory.cache)} for ${count(info.contextLength)} tokens, ${info.cacheDtype}`],
    ['Ready in', duration(info.loadMs)],
  ];
}

function attentionText({ attention, converted, convertMs }: EngineInfo, layers: number): string {
  const name = ATTENTION_NAMES[attention];
  if (converted) return `${name}, converted by ${converted.method}, form ${converted.form}`;
  return layers === 0 ? name : `${name}, ${plural(layers, 'layer')} rewritten in ${duration(convertMs)}`;
}
