/** The same product as matmul: tiles are only another order of summing. */
export { matmul as matmul_blocked } from './matmul.ts';
