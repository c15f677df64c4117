import DOMPurify from 'dompurify';
import type { Config } from 'dompurify';
import { Marked } from 'marked';
import type { Token } from 'marked';

/**
 * Text of a model to nodes. What a model writes is not to be trusted, it may have read it anywhere: HTML in it is shown as
 * text, images are not loaded, links go only to the web and open elsewhere, and DOMPurify has the last word.
 */

const marked = new Marked({
  gfm: true,
  // Models end lines where they want lines to end.
  breaks: true,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ text, href }) => `<em>${escaped(`[image: ${text || href}]`)}</em>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
});

const TAGS =
  'p br hr strong em del code pre blockquote ul ol li a table thead tbody tr th td h1 h2 h3 h4 h5 h6';

const RULES = {
  ALLOWED_TAGS: TAGS.split(' '),
  ALLOWED_ATTR: ['href', 'title', 'start', 'align', 'class'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  // Their values are no addresses.
  ADD_URI_SAFE_ATTR: ['align', 'start'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config;

/** A paragraph, list, code block, table...: what follows cannot change it any more once another one has begun. */
export interface MarkdownBlock {
  /** Source: the same source makes the same nodes. */
  readonly raw: string;
  nodes(): DocumentFragment;
}

export function markdownBlocks(text: string): readonly MarkdownBlock[] {
  try {
    return marked
      .lexer(text)
      .filter(({ type }) => type !== 'space' && type !== 'def')
      .map((token) => ({ raw: token.raw, nodes: () => nodesOf(token) }));
  } catch {
    // A model that loops may write thousands of nested quotes, which overflow the parser's stack.
    return [{ raw: text, nodes: () => plain(text) }];
  }
}

function plain(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const paragraph = document.createElement('p');
  paragraph.textContent = text;
  fragment.append(paragraph);
  return fragment;
}

function nodesOf(token: Token): DocumentFragment {
  let html: string;
  try {
    html = marked.parser([token]);
  } catch {
    return plain(token.raw);
  }
  const fragment = DOMPurify.sanitize(html, RULES);
  for (const link of fragment.querySelectorAll('a')) {
    // What led elsewhere than to the web is no link any more.
    if (!link.href) link.replaceWith(...link.childNodes);
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  for (const table of fragment.querySelectorAll('table')) wrap(table, 'table-scroller', 'Table');
  for (const pre of fragment.querySelectorAll('pre')) frameCode(pre);
  return fragment;
}

/** A region that scrolls by itself can be reached and scrolled by keyboard. */
function wrap(element: HTMLElement, className: string, label: string): HTMLElement {
  const scroller = document.createElement('div');
  scroller.className = className;
  scroller.tabIndex = 0;
  scroller.role = 'region';
  scroller.ariaLabel = label;
  element.replaceWith(scroller);
  scroller.append(element);
  return scroller;
}

/** The language and a button to copy above the code. The view listens for the button. */
function frameCode(pre: HTMLPreElement): void {
  const code = pre.querySelector('code');
  const language = /\blanguage-(\S+)/.exec(code?.className ?? '')?.[1] ?? 'code';
  code?.removeAttribute('class');
  const frame = document.createElement('div');
  frame.className = 'code-frame';
  const head = document.createElement('div');
  head.className = 'code-head';
  const name = document.createElement('span');
  name.textContent = language;
  const copy = document.createElement('button');
  copy.type = 'button';
  copy.className = 'code-copy';
  copy.textContent = 'Copy';
  copy.ariaLabel = 'Copy code';
  head.append(name, copy);
  pre.replaceWith(frame);
  pre.tabIndex = 0;
  frame.append(head, pre);
}

function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (character) => names[character] ?? character);
}
