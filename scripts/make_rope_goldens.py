"""Writes test/cpu/core/rope_goldens.json: inv_freq and attention factor of transformers' rope types.

    pip install torch transformers
    python scripts/make_rope_goldens.py
"""

import json
import pathlib

from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "cpu" / "core" / "rope_goldens.json"

# (name, head_dim, rope_theta, scaling as webmla's ModelConfig holds it)
CASES = [
    ("default", 64, 1e5, {"rope_type": "default"}),
    ("linear", 32, 1e4, {"rope_type": "linear", "factor": 4.0}),
    ("dynamic", 64, 1e4, {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 2048}),
    ("llama3 (Llama 3.1)", 128, 5e5, {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                      "original_max_position_embeddings": 8192}),
    ("llama3 (Llama 3.2 1B)", 64, 5e5, {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                        "original_max_position_embeddings": 8192}),
    ("yarn (Qwen2.5)", 128, 1e6, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768,
                                  "beta_fast": 32, "beta_slow": 1, "truncate": True, "attention_factor": 0.1 * 1.3862943611198906 + 1}),
    ("yarn, not truncated", 64, 1.5e5, {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096,
                                        "beta_fast": 32, "beta_slow": 1, "truncate": False, "attention_factor": 0.1 * 3.4657359027997265 + 1}),
]


def main() -> None:
    goldens = []
    for name, head_dim, theta, scaling in CASES:
        config = LlamaConfig(hidden_size=2 * head_dim, num_attention_heads=2, head_dim=head_dim, max_position_embeddings=131072,
                             rope_parameters={**scaling, "rope_theta": theta})
        rope = LlamaRotaryEmbedding(config)
        goldens.append({"name": name, "head_dim": head_dim, "rope_theta": theta, "rope_scaling": scaling,
                        "inv_freq": rope.inv_freq.tolist(), "attention_factor": float(rope.attention_scaling)})
        print(name, rope.attention_scaling)
    OUT.write_text(json.dumps(goldens, indent=1) + "\n")


if __name__ == "__main__":
    main()
