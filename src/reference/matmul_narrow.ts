/** The same product as matmul: columns are only another order of summing. */
export { matmul as matmul_narrow } from './matmul.ts';
