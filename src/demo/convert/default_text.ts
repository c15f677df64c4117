/** The text to calibrate on unless a person gives one; the one place that knows where it comes from. Loaded when it is needed. */
export async function defaultText(): Promise<string> {
  return (await import('./sample_text.txt?raw')).default;
}
