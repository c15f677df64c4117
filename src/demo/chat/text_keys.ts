/**
 * Enter, but not the one that makes a new line (Shift) and not the one that ends the composition of a character in an input
 * method; Safari reports the latter after the composition, under the key code 229.
 */
export function submitsText(event: KeyboardEvent): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}
