/** An address on the page's own server may be relative, if it begins with a dot or a slash; anything else stays as it is. */
export function absoluteAddress(text: string): string {
  const typed = text.trim();
  return /^\.{0,2}\//.test(typed) ? new URL(typed, document.baseURI).href : typed;
}

/** Of a long address or a Hub id the last part. */
export function lastPart(address: string): string {
  const path = URL.canParse(address) ? new URL(address).pathname : address;
  return path.split('/').findLast((part) => part !== '') ?? address;
}
