/** The same product as matmul: tiles are only another order of summing. */
export { matmul as matmul_tiled } from './matmul.ts';
