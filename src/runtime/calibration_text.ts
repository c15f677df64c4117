/** The text that conversions are calibrated on unless another is given. Large: import it when it is needed, and not before. */
export { default as CALIBRATION_TEXT } from './calibration_text.txt?raw';
