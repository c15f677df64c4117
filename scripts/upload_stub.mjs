// Stands in for what @huggingface/hub needs for uploads only: hashing code of 40 kB, some of which makes WebAssembly, which
// webmla does not ship.
const absent = () => {
  throw new Error('webmla is built without uploads to the Hub');
};

export const createChunker = absent;
export const nextBlock = absent;
export const finalize = absent;
export const hashToHex = absent;
export const hexToBytes = absent;
export const xorbHash = absent;
export const fileHash = absent;
export const hmac = absent;
export const verificationHash = absent;
export const MerkleHashSubtree = absent;
