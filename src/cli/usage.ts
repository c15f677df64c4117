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
                  (--kv-budget B | --max-loss L | --kv-lora-rank R [--qk-rope-head-dim D]) [--cache-dtype f32|f16|int8|int4]
                  [--search-windows N] [--search-candidates N] [--refit on|off] [--refine-steps N]
                  [--text FILE | --token-rows FILE.npy...] [--calibration-tokens N] [--statistics FILE] [--save-statistics FILE]
                  [--option KEY=VALUE]... [--report FILE] [--json]
  webmla bench    (--shape smollm2-135m|qwen2-0.5b|llama-3.2-1b | --model PATH) [--attention gqa|mla] [--cache-dtype D]
                  [--form strict|reuse|recon] [--kv-budget B] [--apart append|fold|narrow] [--prefill-math exact|int8]
                  [--contexts 128,1024,...] [--prefill 512,2048] [--json]
  webmla chat     --model PATH [--system TEXT]

PATH is a folder in Hugging Face layout, a .safetensors file beside its config.json, a .gguf file, an http(s) address of
either, or a Hub id (owner/name). What begins with / or . is never looked up on the Hub. HF_ENDPOINT and HF_TOKEN are used.

How a model runs (generate, evaluate, chat):
  --attention gqa|mla     default: what the checkpoint is; mla converts GQA without loss
  --kv-budget B           converts before it runs, to this share of the model's own f16 cache
  --method webmla|transmla|mha2mla|exact   how GQA becomes MLA; default webmla with a budget, else exact
  --weights as-is|f32|f16|q8|q4
  --cache-dtype f32|f16|int8|int4   default f16
  --prefill-math exact|int8   int8: prompts faster, with activations of 8 bits; default exact
  --context-length N

convert makes a folder that is itself a PATH. --kv-budget is the share of the model's own f16 cache, in bytes with scales counted,
--max-loss the rise of ln perplexity that is accepted. It is calibrated on a text of the package unless another is given. Form and
cache dtype are searched for where they are not given: at most --search-candidates (6) conversions are measured on
--search-windows (4) rows that the calibration does not see; with 0 rows predictions choose, as they do for a budget on software
adapters unless the model is tiny. The plain int8 and int4 caches are measured beside them. With --kv-lora-rank the form is reuse and the cache f16 unless given. strict is what DeepSeek's layout can
hold, recon spends operations for quality. --refine-steps trains all maps of each layer (80 is a good number; it takes several times
as long as all the rest). Options: weights=f32|f16|bf16|q8_0 of the matrices that are made (in --format deepseek f32 or bf16, of
all of them), freqfold and recalibrate=off (transmla), selection and svd (mha2mla), tokens=plain (webmla), refitCache=f32 (of a
quantised cache: the refit sees it unquantised). bench --shape takes random 4-bit weights;
--form makes that MLA with --kv-budget of the cache, default a quarter; --apart leaves one thing apart that is usually fused, to
compare with.
evaluate scores windows of a text that do not overlap; --against adds the distance from another model, run as it lies in its
file with an f32 cache. generate is greedy unless --temperature says otherwise; chat samples as the model's generation_config.json says.
--json prints one line of JSON on standard output and nothing else there.
`;
