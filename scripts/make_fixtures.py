"""Makes the tiny checkpoints under test/fixtures: random weights in awkward shapes, with logits by transformers.

    pip install torch transformers safetensors
    python scripts/make_fixtures.py

Each folder has config.json, model.safetensors (bf16 or f32) and golden.json: input_ids, logits of every position, greedy
continuation. They are what `npm test` runs on where the real checkpoints are not.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures"

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LINEAR = {"rope_type": "linear", "factor": 2.0}
COMMON = {"max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False}

FIXTURES = {
    # GQA 6:2, widths that are no multiple of 32, biases everywhere, tied, llama3 scaling.
    "llama_bias": LlamaConfig(
        **{**COMMON, "tie_word_embeddings": True},
        vocab_size=97, hidden_size=60, intermediate_size=100, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=2, head_dim=8, attention_bias=True, mlp_bias=True, rope_theta=10000.0, rope_scaling=LLAMA3,
    ),
    # MQA: one KV head; q/k/v biases; yarn.
    "qwen2_yarn": Qwen2Config(
        **COMMON,
        vocab_size=128, hidden_size=64, intermediate_size=172, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=1, rope_theta=1000000.0, rope_scaling=YARN,
    ),
    # MHA: as many KV heads as heads; head_dim is not hidden_size / heads; linear scaling.
    "mistral_mha": MistralConfig(
        **COMMON,
        vocab_size=80, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=3,
        num_key_value_heads=3, head_dim=24, sliding_window=None, rope_theta=10000.0, rope_scaling=LINEAR,
    ),
}


def main() -> None:
    for name, config in FIXTURES.items():
        torch.manual_seed(len(name))
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                # Larger than at initialisation, so that attention is far from uniform and biases matter.
                if "norm" in key:
                    parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
                else:
                    parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.dim() == 1 else 1.5 / parameter.shape[-1] ** 0.5))
            dtype = torch.bfloat16 if name == "qwen2_yarn" else torch.float32
            for parameter in model.parameters():
                parameter.copy_(parameter.to(dtype).float())
            input_ids = torch.randint(3, config.vocab_size, (1, 40))
            logits = model(input_ids).logits[0]
            greedy = model.generate(
                input_ids[:, :20], max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0,
            )[0]
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        state = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}
        if config.tie_word_embeddings:
            state.pop("lm_head.weight", None)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        saved = config.to_dict()
        saved["architectures"] = [type(model).__name__]
        keep = {k: v for k, v in saved.items() if v is not None and not k.startswith(("_", "transformers"))}
        (folder / "config.json").write_text(json.dumps(keep, indent=1, default=str) + "\n")
        golden = {
            "input_ids": input_ids[0].tolist(),
            "greedy_prompt": input_ids[0, :20].tolist(),
            "greedy": greedy.tolist(),
            "logits": [[round(x, 4) for x in row] for row in logits.tolist()],
        }
        (folder / "golden.json").write_text(json.dumps(golden) + "\n")
        print(name, sum(f.stat().st_size for f in folder.iterdir()), "bytes")


if __name__ == "__main__":
    main()
