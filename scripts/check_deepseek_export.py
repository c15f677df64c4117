"""Holds a checkpoint that `webmla convert --exportable --format deepseek` wrote against the same conversion run by webmla.

    node lib/cli.js convert --model M --out A --exportable --kv-budget 0.5 --token-rows ROWS.npy --format deepseek
    node lib/cli.js convert --model M --out B ... the same without --format, with --option weights=f32
    node lib/cli.js convert --model M --out C ... the same with --format deepseek --option weights=bf16
    node lib/cli.js generate --model B --prompt-ids 1,2,3 --max-tokens 64 --weights f32 --cache-dtype f32 --ignore-eos --logits L --json > J

    python scripts/check_deepseek_export.py A L=J ...          one pair for each prompt
    python scripts/check_deepseek_export.py A --bf16 C --golden golden.json

Needs torch, transformers and safetensors. transformers loads A unchanged, in float32. The first form prints for each prompt whether the greedy
ids agree and the largest difference of all logits, of the prompt and of the steps; the second at how many of the 256 teacher-forced
positions of a golden.json C, computed in bfloat16, has the same most likely id as A (and as the original model, where it is known).
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def load(folder: str, dtype: torch.dtype):
    model, loading = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
    return model.eval()


def against_webmla(model, logits: str, answer: str) -> None:
    said = json.loads(pathlib.Path(answer).read_text())
    prompt, ids = said["promptTokenIds"], said["tokenIds"]
    greedy = model.generate(
        torch.tensor([prompt]), max_new_tokens=len(ids), do_sample=False, eos_token_id=None, pad_token_id=0
    )[0].tolist()[len(prompt) :]
    ours = load_file(logits)
    # The first step's row is that of the prompt's last token.
    rows = torch.cat([ours["prompt_logits"], ours["step_logits"][1:]])
    theirs = model(torch.tensor([prompt + ids])).logits[0, : len(rows)]
    same = next((i for i, (a, b) in enumerate(zip(greedy, ids)) if a != b), len(ids))
    print(
        f"{len(prompt)} prompt ids: {same} of {len(ids)} greedy ids the same,",
        f"largest difference of {rows.numel()} logits {(rows - theirs).abs().max().item():.2e} (largest logit {theirs.abs().max().item():.1f})",
    )


def top1(model, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids])).logits[0].argmax(-1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("export")
    parser.add_argument("runs", nargs="*", help="LOGITS=ANSWER of webmla generate")
    parser.add_argument("--bf16")
    parser.add_argument("--golden")
    args = parser.parse_args()
    model = load(args.export, torch.float32)
    print(type(model).__name__, "loaded from", pathlib.Path(args.export).name)
    with torch.no_grad():
        for run in args.runs:
            against_webmla(model, *run.split("="))
        if args.bf16:
            forced = json.loads(pathlib.Path(args.golden).read_text())["teacher_forced"]
            exact = top1(model, forced["ids"])
            rounded = top1(load(args.bf16, torch.bfloat16), forced["ids"])
            original = torch.tensor(forced["argmax_ids"])
            count = len(exact)
            print(f"bf16 has the float32 export's most likely id at {(rounded == exact).sum()} of {count} positions;")
            print(f"the original's: float32 export {(exact == original).sum()}, bf16 {(rounded == original).sum()}")


if __name__ == "__main__":
    main()
