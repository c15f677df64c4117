import type { ComponentChildren } from 'preact';

const BROWSERS = [
  ['Chrome, Edge', '113 and later; on Linux a recent one, or with the flag “Unsafe WebGPU Support”'],
  ['Safari', '26 and later, on Mac, iPhone and iPad'],
  ['Firefox', '141 and later on Windows, newer ones on Mac'],
] as const;

interface NoWebGpuProps {
  readonly onRetry: () => void;
  /** What can still be done here. */
  readonly children?: ComponentChildren;
}

/** The one thing that the pages cannot do without. */
export function NoWebGpu({ onRetry, children }: NoWebGpuProps): ComponentChildren {
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
        <button type="button" class="button button-accent" onClick={onRetry}>
          Try again
        </button>
      </p>
      {children !== undefined && <p class="faint">{children}</p>}
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
