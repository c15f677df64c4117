"""Writes test/cpu/convert/goldens/*.safetensors: what research/lab/convert_lab.py makes of the tiny checkpoints.

    pip install torch transformers safetensors
    python scripts/make_conversion_goldens.py        # needs ../shared/research/lab/convert_lab.py

One file a fixture: calibration ids [sequences, tokens], statistics of each layer, and the logits of a sequence for each case (a
method, a form, a budget), with all layers converted. Only functions are kept, never eigenvectors: their signs are nobody's.
The lab knows no attention factor of YaRN. A model with the factor m is the same as one without whose queries are m² as large, which
is how it is handed over; statistics of queries are divided again.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT.parent / "shared" / "research" / "lab"))
import convert_lab as lab  # noqa: E402

FIXTURES = ROOT / "test" / "fixtures"
OUT = ROOT / "test" / "cpu" / "convert" / "goldens"
SEQUENCES, TOKENS = 4, 40
ORDERS = {"attended": "attn", "plain": "none"}


def webmla_cases(G):
    """name -> (options of the TypeScript side, make)."""
    cases = {}
    for form in ("strict", "reuse", "recon"):
        for tokens, weight in ORDERS.items():
            for keep in (0.75, 0.5):
                if tokens == "plain" and keep == 0.75:
                    continue
                R = int(G.full * keep) // 2 * 2
                P = max(2, min(G.g * G.F, R // 4)) if form != "recon" else G.F
                cfg = dict(cw=weight, P=P, reuse=form == "reuse", recon=form == "recon")
                options = dict(method="webmla", form=form, row_dim=R, pairs=P, tokens=tokens)
                cases[f"webmla {form} {tokens} {R}"] = (options, lambda S, att, cfg=cfg, R=R: lab.convert_layer(S, G, R, cfg))
    return cases


def published_cases(G):
    cases = {}
    for keep in (0.75, 0.5):
        R = int(G.full * keep) // 2 * 2
        for d_r, ff in ((G.d, 1), (G.d, 2), (G.d // 2, 2), (G.d // 2, 4)):
            if d_r * ff >= G.d and d_r < min(R, G.gd) and G.F % ff == 0 and (d_r // 2 * ff) % G.F == 0 and d_r // 2 * ff // G.F <= ff * G.g:
                options = dict(method="transmla", row_dim=R, qk_rope_head_dim=d_r, freqfold=ff)
                cases[f"transmla {d_r} ff{ff} {R}"] = (options, lambda S, att, R=R, d_r=d_r, ff=ff: lab.transmla_layer(S, G, R, d_r, ff))
        for sel, split in (("high", False), ("uniform", True), ("2norm", False)):
            n_r = max(1, R // 4 // G.g)
            options = dict(method="mha2mla", row_dim=R, ropePairsPerHead=n_r, selection="2-norm" if sel == "2norm" else sel, svd="split" if split else "joint")
            cases[f"mha2mla {sel} {'split' if split else 'joint'} {R}"] = (
                options, lambda S, att, R=R, n_r=n_r, sel=sel, split=split: lab.mha2mla_layer(att, S, G, R, n_r, sel, split))
    return cases


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_grad_enabled(False)
    for name in ("llama_bias", "qwen2_yarn", "mistral_mha"):
        model = AutoModelForCausalLM.from_pretrained(FIXTURES / name, dtype=torch.float32, attn_implementation="eager").eval()
        ids = torch.tensor(json.loads((FIXTURES / name / "golden.json").read_text())["input_ids"])
        torch.manual_seed(7)
        calibration = torch.randint(3, model.config.vocab_size, (SEQUENCES, TOKENS))
        reference = model(ids[None]).logits[0]
        gain = float(model.model.rotary_emb.attention_scaling) ** 2
        if gain != 1:
            model.model.rotary_emb.attention_scaling = 1.0
            for layer in model.model.layers:
                layer.self_attn.q_proj.weight *= gain
                if layer.self_attn.q_proj.bias is not None:
                    layer.self_attn.q_proj.bias *= gain
        G = lab.Geometry(model)
        error = (model(ids[None]).logits[0] - reference).abs().max().item()
        assert error < 1e-4, error
        inputs, nll = lab.collect_inputs(model, calibration)
        attentions = [layer.self_attn for layer in model.model.layers]
        statistics = [lab.layer_stats(a, x, G, nll) for a, x in zip(attentions, inputs)]
        tensors = {"calibration": calibration.to(torch.int32), "ids": ids.to(torch.int32)}
        for i in (0, 1):
            S = statistics[i]
            for field, weight in ORDERS.items():
                tensors[f"{i}.{field}.mean"] = S["mu"][weight].float()
                tensors[f"{i}.{field}.second"] = S["C"][weight].float() if G.full <= 32 or i == 1 else S["C"][weight][: G.d].float()
            tensors[f"{i}.attended.weight"] = torch.tensor([S["n"]["attn"]])
            tensors[f"{i}.queries"] = (S["Mq"]["plain"] / gain**2).float()
            tensors[f"{i}.spreadQueries"] = (S["Mq"]["spread"] / gain**2).float()
            tensors[f"{i}.spread"] = S["spread"].flatten().float()
            tensors[f"{i}.rotation"] = torch.view_as_real(S["rho_attn"]).float()
        metadata = {}
        for case, (options, make) in {**webmla_cases(G), **published_cases(G)}.items():
            specs = [make(S, a) for S, a in zip(statistics, attentions)]
            lab.install(model, specs, G)
            logits = model(ids[None]).logits[0]
            lab.restore(model)
            # Every tenth position and every fourth id: a wrong map shows everywhere.
            tensors[f"logits {case}"] = logits[9::10, ::4].float().contiguous()
            metadata[case] = json.dumps(options)
            print(f"{name:12s} {case:36s} worst logit difference to the original {(logits - reference).abs().max():.3f}")
        save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{name}.safetensors", metadata=metadata)
        print(name, (OUT / f"{name}.safetensors").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
