/** The text to calibrate on unless a person gives one: that of the package. Loaded when it is needed. */
export async function defaultText(): Promise<string> {
  const { calibrationText } = await import('../../conversion.ts');
  return calibrationText();
}
