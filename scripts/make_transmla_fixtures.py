"""Makes test/fixtures_transmla: tiny checkpoints as TransMLA writes them, random weights, with logits.

    pip install torch transformers safetensors
    python scripts/make_transmla_fixtures.py

What TransMLA writes was read in MuLabPKU/TransMLA cdd6f8e1 (transmla/modify_config.py, lora_qkv.py, transformers/mla.py): Llama with
`model_type` deepseek_v3 and, in every layer, q_proj (or q_a_proj and q_b_proj), kv_a_proj_with_mqa, kv_b_proj, no norms on the latents
(`qk_latent_layernorm` false), biases on queries and kv_a where the original had them, none on o_proj; rope pairs side by side, rotated with
the frequencies of a head of qk_rope_head_dim; scores divided by the root of qk_nope_head_dim + qk_rope_head_dim. The attention below
is written from that; everything around it is transformers' Llama.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures_transmla"
NOPE, ROPE, RANK = 16, 8, 12
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
COMMON = dict(
    vocab_size=40, hidden_size=32, intermediate_size=48, num_attention_heads=4, max_position_embeddings=64, rms_norm_eps=1e-5,
    bos_token_id=1, eos_token_id=2,
)
FIXTURES = {
    # As converted: neighbouring heads share their rows of kv_b_proj; biases (from Qwen2).
    "llama_mla": dict(
        architecture="LlamaMLAForCausalLM", q_lora_rank=None, bias=True, shared=2, num_hidden_layers=2, tie_word_embeddings=False,
        rope_theta=1000000.0, rope_scaling=None,
    ),
    # --deepseek-style, as after training: heads of their own; low-rank queries; tied.
    "deepseek_style": dict(
        architecture="DeepseekV3ForCausalLM", q_lora_rank=20, bias=False, shared=1, num_hidden_layers=1, tie_word_embeddings=True,
        rope_theta=10000.0, rope_scaling=LLAMA3,
    ),
}


class Attention(nn.Module):
    def __init__(self, config: LlamaConfig, q_lora_rank: int | None, bias: bool):
        super().__init__()
        hidden, self.heads = config.hidden_size, config.num_attention_heads
        width = self.heads * (NOPE + ROPE)
        if q_lora_rank is None:
            self.q_proj = nn.Linear(hidden, width, bias=bias)
        else:
            self.q_a_proj = nn.Linear(hidden, q_lora_rank, bias=False)
            self.q_b_proj = nn.Linear(q_lora_rank, width, bias=bias)
        self.kv_a_proj_with_mqa = nn.Linear(hidden, RANK + ROPE, bias=bias)
        self.kv_b_proj = nn.Linear(RANK, self.heads * 2 * NOPE, bias=False)
        self.o_proj = nn.Linear(self.heads * NOPE, hidden, bias=False)

    def forward(self, hidden_states, position_embeddings, **_):
        x = hidden_states[0]
        q = self.q_proj(x) if hasattr(self, "q_proj") else self.q_b_proj(self.q_a_proj(x))
        q = q.view(len(x), self.heads, NOPE + ROPE)
        latent, k_rope = self.kv_a_proj_with_mqa(x).split([RANK, ROPE], dim=-1)
        k, v = self.kv_b_proj(latent).view(len(x), self.heads, 2 * NOPE).split([NOPE, NOPE], dim=-1)
        cos, sin = (table[0, :, None, : ROPE // 2] for table in position_embeddings)
        q_rope, k_rope = rotate(q[..., NOPE:], cos, sin), rotate(k_rope[:, None], cos, sin)
        scores = torch.einsum("thd,nhd->htn", q[..., :NOPE], k) + torch.einsum("thd,nd->htn", q_rope, k_rope[:, 0])
        later = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
        p = (scores * (NOPE + ROPE) ** -0.5).masked_fill(later, -torch.inf).softmax(-1)
        return self.o_proj(torch.einsum("htn,nhd->thd", p, v).flatten(1))[None], None


def rotate(x, cos, sin):
    re, im = x[..., 0::2], x[..., 1::2]
    return torch.stack([re * cos - im * sin, im * cos + re * sin], dim=-1).flatten(-2)


def make(name: str, architecture: str, q_lora_rank: int | None, bias: bool, shared: int, **settings) -> None:
    torch.manual_seed(len(name))
    config = LlamaConfig(**COMMON, **settings, num_key_value_heads=4, head_dim=ROPE, attention_bias=bias)
    model = LlamaForCausalLM(config).float().eval()
    for layer in model.model.layers:
        layer.self_attn = Attention(config, q_lora_rank, bias)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "norm" in key:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (0.3 if p.dim() == 1 else 1.5 / p.shape[-1] ** 0.5))
            if "kv_b_proj" in key:
                first = p.view(-1, shared, 2 * NOPE, RANK)[:, :1]
                p.copy_(first.expand(-1, shared, -1, -1).reshape(p.shape))
            p.copy_(p.bfloat16().float())
        ids = torch.randint(3, config.vocab_size, (1, 24))
        logits = model(ids, use_cache=False).logits[0]
        greedy = ids[:, :12]
        for _ in range(12):
            greedy = torch.cat([greedy, model(greedy, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.bfloat16().contiguous() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    saved = {
        **COMMON, **settings, "hidden_act": "silu", "dtype": "bfloat16", "architectures": [architecture], "model_type": "deepseek_v3",
        "num_key_value_heads": 4, "attention_bias": bias, "qk_rope_head_dim": ROPE, "head_dim": ROPE, "qk_nope_head_dim": NOPE,
        "v_head_dim": NOPE, "q_lora_rank": q_lora_rank, "kv_lora_rank": RANK, "qk_latent_layernorm": False,
    }
    (folder / "config.json").write_text(json.dumps(saved, indent=1) + "\n")
    golden = {
        "input_ids": ids[0].tolist(), "greedy_prompt": ids[0, :12].tolist(), "greedy": greedy[0].tolist(),
        "logits": [[round(x, 5) for x in row] for row in logits.tolist()],
    }
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    print(name, sum(f.stat().st_size for f in folder.iterdir()), "bytes, largest logit", logits.abs().max().item())


if __name__ == "__main__":
    for name, settings in FIXTURES.items():
        make(name, **settings)
