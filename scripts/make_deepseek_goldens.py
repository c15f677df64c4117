"""Writes test/cpu/convert/goldens/deepseek.json: logits that transformers' DeepseekV3ForCausalLM gives for webmla's exports.

    pip install torch transformers safetensors
    python scripts/make_deepseek_goldens.py        # needs node, and npm ci

The exports are those of test/strict_models.ts; transformers loads each as it stands and computes in float32.
"""

import json
import pathlib
import subprocess
import tempfile

import torch
from transformers import DeepseekV3ForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "test" / "cpu" / "convert" / "goldens" / "deepseek.json"


def main() -> None:
    goldens = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["node", str(ROOT / "scripts" / "write_deepseek_cases.mjs"), folder], check=True)
        ids = json.loads((pathlib.Path(folder) / "ids.json").read_text())
        for path in sorted(p for p in pathlib.Path(folder).iterdir() if p.is_dir()):
            model, loading = DeepseekV3ForCausalLM.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
            assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0]
            goldens[path.name] = [[round(x, 5) for x in row] for row in logits.tolist()]
            print(path.name, "largest logit", logits.abs().max().item())
    OUT.write_text(json.dumps(goldens) + "\n")


if __name__ == "__main__":
    main()
