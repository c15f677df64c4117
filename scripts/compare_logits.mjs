// Compares two files that `webmla generate --logits` wrote for the same prompt ids:
//
//   node scripts/compare_logits.mjs REFERENCE.safetensors OTHER.safetensors [IDS.json]
//
// Prints the largest difference, the mean KL(reference || other), top-1 agreement, and, with the prompt's ids, both perplexities.
import { readFileSync } from 'node:fs';
import * as convert from '../lib/convert.js';

const [referencePath, otherPath, idsPath] = process.argv.slice(2);
const reference = await rows(referencePath);
const other = await rows(otherPath);
const ids = idsPath ? JSON.parse(readFileSync(idsPath, 'utf8')) : null;
let [kl, agree, worst, nllA, nllB] = [0, 0, 0, 0, 0];
for (let t = 0; t < reference.count; t++) {
  const a = reference.row(t);
  const b = other.row(t);
  const [za, zb] = [logSumExp(a), logSumExp(b)];
  let [bestA, bestB] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    kl += Math.exp(a[i] - za) * (a[i] - za - (b[i] - zb));
    worst = Math.max(worst, Math.abs(a[i] - b[i]));
    if (a[i] > a[bestA]) bestA = i;
    if (b[i] > b[bestB]) bestB = i;
  }
  if (bestA === bestB) agree++;
  if (ids && t + 1 < ids.length) {
    nllA += za - a[ids[t + 1]];
    nllB += zb - b[ids[t + 1]];
  }
}
const n = reference.count;
console.log(
  `rows ${n}, largest difference ${worst.toFixed(5)}, KL ${(kl / n).toFixed(5)}, top-1 agreement ${((100 * agree) / n).toFixed(2)} %`,
);
if (ids) {
  const [a, b] = [nllA, nllB].map((nll) => Math.exp(nll / (n - 1)));
  console.log(`perplexity ${a.toFixed(3)} and ${b.toFixed(3)}: ln ratio ${Math.log(b / a).toFixed(4)}`);
}

async function rows(path) {
  const file = await convert.readSafetensors(convert.memorySource(new Uint8Array(readFileSync(path)), path));
  const entry = file.tensors.find(({ name }) => name === 'prompt_logits');
  const values = await convert.readFloats(entry, entry.shape);
  const [count, width] = entry.shape;
  return { count, row: (t) => values.subarray(t * width, (t + 1) * width) };
}

function logSumExp(row) {
  const max = row.reduce((x, y) => Math.max(x, y));
  return max + Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0));
}
