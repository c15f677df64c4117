"""Compares a checkpoint that `webmla convert --exportable --format deepseek` wrote with the same conversion run by webmla.

    node lib/cli.js convert --model M --out A --method webmla --exportable --kv-budget 0.5 --token-rows ROWS.npy --format deepseek
    node lib/cli.js convert ... the same without --format, --out B
    node lib/cli.js generate --model B --prompt-ids 1,2,3 --max-tokens N --weights f32 --cache-dtype f32 --ignore-eos --logits L --json
    python scripts/check_deepseek_export.py A L 1,2,3 N

Needs torch, transformers and safetensors. transformers loads A unchanged, in float32; prints whether the greedy ids agree and the largest
difference of the logits.
"""

import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

folder, logits, prompt, count = sys.argv[1:]
ids = [int(i) for i in prompt.split(",")]
model, loading = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
ours = load_file(logits)
with torch.no_grad():
    made = model.generate(torch.tensor([ids]), max_new_tokens=int(count), do_sample=False, eos_token_id=None, pad_token_id=0)[0].tolist()
    theirs = model(torch.tensor([made])).logits[0]
steps = ours["step_logits"]
rows = torch.cat([ours["prompt_logits"], steps[1:]])
greedy = steps.argmax(-1).tolist()
print(type(model).__name__, "greedy ids equal:", greedy == made[len(ids):], "of", len(greedy))
print("largest logit difference:", (rows - theirs[: len(rows)]).abs().max().item(), "largest logit:", theirs.abs().max().item())
