/** Wrong usage: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `webmla: language models on WebGPU with Multi-head Latent Attention

  webmla inspect  --model PATH [--json]
  webmla generate --model PATH (--prompt TEXT | --prompt-ids 1,2,3 | --messages FILE.json) [--max-tokens N] [--json]
                  [--temperature T] [--top-p P] [--top-k K] [--seed S] [--stop TEXT]... [--ignore-eos] [--logits FILE]
  webmla tokenize --model PATH --text TEXT [--special] [--json]
  webmla evaluate --model PATH --text FILE [--against PATH] [--window 1024] [--max-windows N] [--first-token ID] [--json]
  webmla convert  --model PATH --out DIR [--method webmla|transmla|mha2mla|exact] [--form strict|reuse|recon] [--exportable]
                  [--format webmla|deepseek]
                  (--kv-budget B | --kv-lora-rank R [--qk-rope-head-dim D]) [--cache-dtype f32|f16|int8|int4] [--refit on|off]
                  (--text FILE | --token-rows FILE.npy...) [--calibration-tokens N] [--statistics FILE] [--save-statistics FILE]
                  [--option KEY=VALUE]... [--report FILE] [--json]
  webmla bench    (--shape smollm2-135m|qwen2-0.5b|llama-3.2-1b | --model PATH) [--attention gqa|mla] [--cache-dtype D]
                  [--form strict|reuse|recon] [--kv-budget B] [--apart append|fold|narrow]
                  [--contexts 128,1024,...] [--prefill 512,2048] [--json]
  webmla chat     --model PATH [--system TEXT]

PATH is a folder in Hugging Face layout, a .safetensors file beside its config.json, a .gguf file, an http(s) address of
either, or a Hub id (owner/name). What begins with / or . is never looked up on the Hub. HF_ENDPOINT and HF_TOKEN are used.

How a model runs (generate, evaluate, chat):
  --attention gqa|mla     default: what the checkpoint is; mla converts GQA without loss
  --method exact          how GQA becomes MLA
  --weights as-is|f32|f16|q8|q4
  --cache-dtype f32|f16|int8|int4   default f16
  --context-length N

convert makes a folder that is itself a PATH. --kv-budget is the share of the model's own f16 cache, in bytes with scales counted;
reuse is the default form, strict is what DeepSeek's layout can hold, recon spends operations for quality. Options: freqfold
(transmla), selection and svd (mha2mla), tokens=plain (webmla). bench --shape takes random 4-bit weights;
--form makes that MLA with --kv-budget of the cache, default a quarter; --apart leaves one thing apart that is usually fused, to compare with.
evaluate scores windows of a text that do not overlap; --against adds the distance from another model, run as it lies in its
file with an f32 cache. generate is greedy unless --temperature says otherwise; chat samples as the model's generation_config.json says.
--json prints one line of JSON on standard output and nothing else there.
`;
