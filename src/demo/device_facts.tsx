import type { ComponentChildren } from 'preact';
import { adapterName } from './adapter_name.ts';
import { device } from './device.ts';
import { plural } from './quantities.ts';

/** What is measured here: the GPU, and what it offers. */
export function DeviceFacts({ children }: { children?: ComponentChildren }): ComponentChildren {
  const found = device.value;
  if (found.kind !== 'found') return <p class="device faint">Looking for the GPU</p>;
  const { info } = found;
  return (
    <section class="device" aria-label="This device">
      <p class="device-name">
        <strong>{adapterName(info)}</strong>
        {info.software && <span class="badge badge-warn">software</span>}
        {children}
      </p>
      {info.features.length > 0 && (
        <details class="device-features">
          <summary>{plural(info.features.length, 'feature')} offered</summary>
          <ul>
            {info.features.map((feature) => (
              <li key={feature}>
                <code>{feature}</code>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
