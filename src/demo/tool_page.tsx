import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { device, lookForDevice } from './device.ts';
import { Mark } from './icons.tsx';
import { NoWebGpu } from './no_webgpu.tsx';
import { PageLinks } from './page_links.tsx';
import type { PageName } from './page_links.tsx';
import { ThemeSwitch } from './theme_switch.tsx';

interface ToolPageProps {
  readonly name: PageName;
  readonly title: string;
  readonly lead: string;
  /** Read out when it changes. */
  readonly spoken: string;
  /** Ends what is running; Esc does the same. */
  readonly onCancel: () => void;
  readonly children: ComponentChildren;
}

/** A page that measures something: where one is, the way to the others, and the work; or why it cannot be done here. */
export function ToolPage(props: ToolPageProps): ComponentChildren {
  const { name, title, lead, spoken, onCancel, children } = props;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented) onCancel();
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
  return (
    <div class="tool">
      <a class="skip-link" href="#work">
        Skip to the content
      </a>
      <header class="tool-head">
        <a class="brand" href="./">
          <Mark />
          <span>webmla</span>
        </a>
        <PageLinks here={name} />
        <ThemeSwitch />
      </header>
      <main id="work" class="tool-main">
        {device.value.kind === 'missing' ? (
          <NoWebGpu onRetry={() => void lookForDevice()} />
        ) : (
          <>
            <div class="tool-title">
              <h1>{title}</h1>
              <p>{lead}</p>
            </div>
            {children}
          </>
        )}
      </main>
      <p class="unseen" role="status">
        {spoken}
      </p>
    </div>
  );
}
