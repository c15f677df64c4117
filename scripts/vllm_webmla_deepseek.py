"""A model class for vLLM that runs what `webmla convert --exportable --format deepseek` writes. UNTESTED: written from vLLM's public sources
(vllm/model_executor/models/deepseek_v2.py and layers/linear.py at 002d6073, layers/mla.py at 00b9b7ad); nobody has run it.

    PYTHONPATH=scripts python
    >>> from vllm import LLM, ModelRegistry
    >>> ModelRegistry.register_model("WebMlaDeepseekForCausalLM", "vllm_webmla_deepseek:WebMlaDeepseekForCausalLM")
    >>> LLM(model=DIR, dtype="bfloat16", hf_overrides={"architectures": ["WebMlaDeepseekForCausalLM"]})

What vLLM's own DeepSeek class lacks for these checkpoints, and does not complain about: it makes kv_a_proj_with_mqa, q_a_proj and o_proj
without biases whatever attention_bias says and leaves biases of the file out, so that the constant which takes the norm out of the way
never gets into the latent; and it does not tie lm_head to the embedding.

What may stand in the way: kv_lora_rank is one more than the rank of the conversion, hence often odd, and the attention kernels
of vLLM each take some widths only. float16 cannot hold the constant.
"""

import torch
from torch.nn import Parameter
from vllm.config import VllmConfig
from vllm.model_executor.models.deepseek_v2 import DeepseekV2ForCausalLM
from vllm.model_executor.models.utils import PPMissingLayer
from vllm.model_executor.utils import set_weight_attrs


class WebMlaDeepseekForCausalLM(DeepseekV2ForCausalLM):
    def __init__(self, *, vllm_config: VllmConfig, prefix: str = ""):
        config = vllm_config.model_config.hf_config
        if config.rope_parameters["rope_type"] != "default":
            # deepseek_v2.py makes every scaling its own YaRN, with another attention factor.
            raise ValueError(f"rope_scaling: expected none, got {config.rope_parameters['rope_type']}")
        if vllm_config.model_config.dtype == torch.float16:
            raise ValueError("dtype: expected bfloat16 or float32, got float16")
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        for layer in self.model.layers:
            if isinstance(layer, PPMissingLayer):
                continue
            attention = layer.self_attn
            if config.q_lora_rank is None:
                add_bias(attention.kv_a_proj_with_mqa)
            else:
                # q_a_proj and kv_a_proj_with_mqa in one; a fused kernel of its own knows no bias.
                add_bias(attention.fused_qkv_a_proj)
                attention.fused_qkv_a_proj._use_min_latency_gemm = False
            add_bias(attention.o_proj)
        if config.tie_word_embeddings and not isinstance(self.lm_head, PPMissingLayer):
            self.lm_head = self.lm_head.tie_weights(self.model.embed_tokens)


def add_bias(linear: torch.nn.Module) -> None:
    """What the linear layer's constructor does for bias=True. All outputs are on every rank; o_proj adds it on the first one only."""
    linear.bias = Parameter(torch.zeros(linear.output_size, dtype=linear.params_dtype), requires_grad=False)
    set_weight_attrs(linear.bias, {"output_dim": 0, "weight_loader": linear.weight_loader})
