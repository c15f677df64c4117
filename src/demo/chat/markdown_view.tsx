import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { copyText } from '../clipboard.ts';
import { markdownBlocks } from './markdown.ts';

interface Shown {
  readonly raw: string;
  readonly element: HTMLElement;
}

/**
 * Markdown that may still grow. Only blocks that changed are made anew: a long answer stays smooth, and what the reader has
 * selected or scrolled in an earlier block stays.
 */
export function MarkdownView({ text, running }: { text: string; running: boolean }): ComponentChildren {
  const root = useRef<HTMLDivElement>(null);
  const shown = useRef<readonly Shown[]>([]);
  useLayoutEffect(() => {
    if (root.current) shown.current = update(root.current, shown.current, text);
  }, [text]);
  return <div class="markdown" data-running={running} ref={root} onClick={copyCode} />;
}

function update(root: HTMLElement, before: readonly Shown[], text: string): readonly Shown[] {
  const blocks = markdownBlocks(text);
  const firstNew = blocks.findIndex(({ raw }, i) => before[i]?.raw !== raw);
  const same = firstNew === -1 ? blocks.length : firstNew;
  for (const { element } of before.slice(same)) element.remove();
  const made = blocks.slice(same).map((block) => {
    const element = document.createElement('div');
    element.className = 'block';
    element.append(block.nodes());
    root.append(element);
    return { raw: block.raw, element };
  });
  return [...before.slice(0, same), ...made];
}

/** One listener for all code blocks, which Preact knows nothing of. */
function copyCode({ target }: Event): void {
  const button = target instanceof Element ? target.closest<HTMLButtonElement>('.code-copy') : null;
  const text = button?.closest('.code-frame')?.querySelector('pre')?.textContent;
  if (!button || text == null) return;
  void copyText(text).then((copied) => flash(button, copied ? 'Copied' : 'Not allowed'));
}

function flash(button: HTMLButtonElement, text: string): void {
  button.textContent = text;
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 1500);
}
