/** The GPU for callers above the runtime: what a conversion is given. */
export { openGpu as openWebGpu } from '../gpu/device.ts';
