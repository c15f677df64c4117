"""Writes test/gpu/goldens/refinement.safetensors: where research/lab/convert_lab.py's Adam takes a layer of the tiny checkpoint.

    pip install torch transformers safetensors
    python scripts/make_refinement_goldens.py        # needs ../shared/research/lab/convert_lab.py

Layer 0 of llama_bias, two streams of other tokens (so that there is something to learn), forms reuse and recon; strict differs in
its rates by a factor, since the lab counts the zeros where a strict map does not read. Rows of a step are drawn as
src/runtime/refine does it, and the rows that are held back there are not trained on here. Maps in the layout of LatentMaps: a cache
row is [c_kv | k_pe], in the lab [k_pe | c_kv].
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT.parent / "shared" / "research" / "lab"))
import convert_lab as lab  # noqa: E402

OUT = ROOT / "test" / "gpu" / "goldens" / "refinement.safetensors"
ROWS, TOKENS, STEPS, R, P = 64, 40, 20, 12, 4
HELD_OUT = [8, 24, 40, 56]
MASK = 2**32 - 1


def uniform(seed, position, index):
    """src/core/rng.ts"""
    a, b, c = ((x * 1664525 + 1013904223) & MASK for x in (seed, position, index))
    a = (a + b * c) & MASK
    b = (b + c * a) & MASK
    c = (c + a * b) & MASK
    a, b, c = a ^ (a >> 16), b ^ (b >> 16), c ^ (c >> 16)
    return (((a + b * c) & MASK) >> 9) * 2.0**-23 + 2.0**-24


def tensors_of(mod, G, form):
    """The lab's module as LatentMaps has it."""
    order = list(range(2 * P, R)) + list(range(2 * P)) if form == "reuse" else list(range(R))
    return {
        "down": mod.Wz[order],
        "downBias": mod.bz[order],
        "ropeQuery": mod.Uq.reshape(G.g * 2 * P, G.d),
        "keyUp": mod.WUK.reshape(G.gd, R)[:, order],
        "valueUp": mod.WUV.reshape(G.gd, R)[:, order],
        "valueConstant": mod.bv.reshape(-1),
        "outputWeight": mod.Wo,
        "outputBias": mod.bo,
        "ropeRebuild": mod.Wkr,
        "ropeRebuildBias": mod.bkr,
    }


def main() -> None:
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(ROOT / "test" / "fixtures" / "llama_bias", dtype=torch.float32, attn_implementation="eager").eval()
    G = lab.Geometry(model)
    torch.manual_seed(5)
    before = torch.randint(3, model.config.vocab_size, (ROWS, TOKENS))
    after = before.clone()
    after[:, 11::12] = torch.randint(3, model.config.vocab_size, after[:, 11::12].shape)
    layer = model.model.layers[0]
    X0, Xc = (layer.input_layernorm(model.model.embed_tokens(ids)) for ids in (before, after))
    S = lab.layer_stats(layer.self_attn, X0, G)
    att = lab.original_of(layer)
    target = torch.nn.functional.linear(lab.attend_original(att, *lab.pre_qkv(att, X0, G), G), att.o_proj.weight, att.o_proj.bias)
    training = [i for i in range(ROWS) if i not in HELD_OUT]
    tensors = {"before": before.to(torch.int32), "after": after.to(torch.int32)}
    for form in ("reuse", "recon"):
        spec = lab.convert_layer(S, G, R, dict(cw="attn", P=P, reuse=form == "reuse", recon=form == "recon"))
        mod = lab.MLAttention(att, spec, G)
        mod.rope_coords = spec["rope_coords"]
        tensors |= {f"{form}.start.{name}": value.clone() for name, value in tensors_of(mod, G, form).items()}
        frequencies = [int((G.inv_freq - f).abs().argmin()) for f in mod.freq]
        tensors[f"{form}.pairs"] = torch.tensor(frequencies, dtype=torch.int32)
        step = iter(range(STEPS))

        def randint(low, high, size, generator=None):
            t = next(step)
            return torch.tensor([int(uniform(0, t, i) * high) for i in range(*size)])

        drawn, torch.randint = torch.randint, randint
        loss = lambda: float((torch.nn.functional.linear(mod.attend(*lab.pre_qkv(att, Xc[HELD_OUT], G)), mod.Wo, mod.bo) - target[HELD_OUT]).pow(2).sum() / target[HELD_OUT].pow(2).sum())
        start = loss()
        lab.adam_layer(mod, att, Xc[training], target[training], G, steps=STEPS, lr=1e-2)
        torch.randint = drawn
        tensors[f"{form}.losses"] = torch.tensor([start, loss()])
        print(form, "held-out loss", start, "->", loss())
        tensors |= {f"{form}.end.{name}": value.clone() for name, value in tensors_of(mod, G, form).items() if not name.startswith("ropeRebuild")}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT, metadata={"steps": str(STEPS)})
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
