import type { ComponentChildren } from 'preact';
import { useChat } from './chat_context.ts';

const BROWSERS = [
  ['Chrome, Edge', '113 and later; on Linux a recent one, or with the flag “Unsafe WebGPU Support”'],
  ['Safari', '26 and later, on Mac, iPhone and iPad'],
  ['Firefox', '141 and later on Windows, newer ones on Mac'],
] as const;

/** The one thing that the page cannot do without. */
export function NoWebGpu(): ComponentChildren {
  const chat = useChat();
  return (
    <section class="empty no-webgpu" aria-labelledby="no-webgpu-title">
      <h1 id="no-webgpu-title">This browser offers no WebGPU</h1>
      <p class="empty-lead">{reason()}</p>
      <table class="browsers">
        <caption>Browsers that run this page</caption>
        <tbody>
          {BROWSERS.map(([name, versions]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{versions}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>
        <button type="button" class="button button-accent" onClick={() => chat.load(chat.request())}>
          Try again
        </button>
      </p>
      <p class="faint">Conversations that are kept on this device can still be read.</p>
    </section>
  );
}

/** The nearest cause that can be told apart from here. */
function reason(): string {
  if (!isSecureContext) {
    return 'The models run on the GPU through WebGPU, which browsers offer only over https or on localhost. This page came another way.';
  }
  if (!('gpu' in navigator) || !navigator.gpu) {
    return 'The models run on the GPU through WebGPU, and this browser does not have it, or has it switched off.';
  }
  return 'This browser knows WebGPU but found no GPU that it may use. Hardware acceleration may be off in its settings, or the graphics driver may be too old.';
}
