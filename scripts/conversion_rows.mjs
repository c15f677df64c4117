// The measured rows that docs/conversion.md is made of: docs/data/MODEL_rows.jsonl, a row a line, of what
// scripts/quality_table.mjs has measured. Times and widths of single layers are left out.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const rowsFile = (model) => fileURLToPath(new URL(`../docs/data/${model}_rows.jsonl`, import.meta.url));

export function keptRows(model) {
  return readRows(rowsFile(model));
}

/** Lines that are no row (the setup, or one that was cut) are passed over. */
function readRows(path) {
  const rows = new Map();
  if (!existsSync(path)) return rows;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    try {
      const row = JSON.parse(line);
      if ('name' in row) rows.set(row.name, row);
    } catch {
      continue;
    }
  }
  return rows;
}

/**
 * A later row is taken for an earlier one of the same name.
 * @param gaps only where there is none yet; such rows are marked as those of an earlier run
 */
export function takeRows(model, files, gaps) {
  const rows = keptRows(model);
  for (const row of files.flatMap((file) => [...readRows(file).values()])) {
    if (gaps && rows.has(row.name)) continue;
    const { name, bytesPerToken, savedPercent, texts, rise, kl, undone, widths, search } = row;
    const values = search?.chosen.row_dim ?? (widths && rowOf(name, widths[0]));
    const chosen = search && chosenOf(search);
    const kept = { name, bytesPerToken, savedPercent, values, texts, rise, kl, undone, chosen };
    rows.set(name, { ...kept, ...(gaps && { earlier: true }) });
  }
  const lines = [...rows.values()].map((row) => JSON.stringify(row, rounded));
  writeFileSync(rowsFile(model), `${lines.toSorted().join('\n')}\n`);
}

/** recon makes the rope key of the latent, and keeps none. */
function rowOf(name, [kv_lora_rank, qk_rope_head_dim]) {
  return kv_lora_rank + (name.startsWith('recon') ? 0 : qk_rope_head_dim);
}

function chosenOf({ chosen, candidates, better }) {
  const same = (one) => ['form', 'cacheDtype', 'row_dim'].every((key) => one[key] === chosen[key]);
  const { estimatedRise, measured } = candidates.find(same) ?? {};
  return { ...chosen, estimatedRise, heldBackRise: measured?.rise, better: better ?? undefined };
}

function rounded(_, one) {
  return typeof one === 'number' && !Number.isInteger(one) ? Number(one.toPrecision(6)) : one;
}
