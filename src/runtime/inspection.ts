import { latentShape } from '../core/layers.ts';
import { parameterCount } from '../formats/checkpoint.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { longestContext, whyUnsupported } from '../model/architecture.ts';
import { tokenizerOf } from './tokenizer_of.ts';

/** What a checkpoint is, from its headers alone. Also for architectures that cannot run. */
export interface Inspection {
  readonly architecture: string;
  readonly modelType: string;
  readonly parameters: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
  readonly contextLength: number;
  /** Bytes that one token takes in an f16 cache. */
  readonly kvBytesPerToken: { readonly gqa: number; readonly mla?: number };
  readonly tokenizer: { readonly type: string; readonly vocabSize: number } | null;
  readonly convertible: true | string;
}

export function inspectCheckpoint(checkpoint: Checkpoint): Inspection {
  const { config } = checkpoint;
  const tokenizer = tokenizerOf(checkpoint);
  return {
    architecture: config.architecture,
    modelType: config.model_type,
    parameters: parameterCount(checkpoint),
    tensors: checkpoint.fileTensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    contextLength: longestContext(config),
    kvBytesPerToken: kvBytes(checkpoint),
    tokenizer: tokenizer && { type: tokenizer.type, vocabSize: tokenizer.vocabSize },
    convertible: checkpoint.latent ? 'it is converted already' : (whyUnsupported(config) ?? true),
  };
}

function kvBytes({ config, rawConfig, latent }: Checkpoint): Inspection['kvBytesPerToken'] {
  const f16 = 2;
  const { num_hidden_layers, num_key_value_heads, head_dim, mla } = config;
  const gqa = num_hidden_layers * num_key_value_heads * (head_dim + (mla?.v_head_dim ?? head_dim)) * f16;
  const rank = rawConfig['kv_lora_rank'];
  const rope = rawConfig['qk_rope_head_dim'];
  if (latent)
    return { gqa, mla: latent.layers.reduce((sum, layer) => sum + latentShape(layer).row_dim, 0) * f16 };
  // Native MLA caches its latent; GQA that can be converted caches as much as before (exact).
  if (typeof rank === 'number' && typeof rope === 'number') {
    return { gqa, mla: config.num_hidden_layers * (rank + rope) * f16 };
  }
  return whyUnsupported(config) === null ? { gqa, mla: gqa } : { gqa };
}
