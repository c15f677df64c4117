/** Lets a text field grow with its text where the browser's CSS cannot (`field-sizing`). */
export function growToText(element: HTMLTextAreaElement | null): void {
  if (!element || CSS.supports('field-sizing', 'content')) return;
  element.style.height = 'auto';
  element.style.height = `${element.scrollHeight}px`;
}
