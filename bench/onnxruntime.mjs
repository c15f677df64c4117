// Measures onnxruntime-web on one model: decode with one KV buffer for past and present, prefill from nothing. Driven by run.mjs
// through measure(job); the model's folder holds meta.json, static.onnx, std.onnx and weights.bin (README.md).
const BASE = '/ort/';
const WARM = 8;

const ids32 = (ort, ids) => new ort.Tensor('int32', Int32Array.from(ids), [1, ids.length]);
const ids64 = (ort, ids) => new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);

function largest(logits) {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  if (!Number.isFinite(logits[best])) throw new Error('logits are no numbers');
  return best;
}

/** The limits that both engines may use, and features: an ordinary browser's, or whatever there is. */
async function openDevice(ordinary) {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('no WebGPU adapter');
  const taken = [...adapter.features].filter(
    (name) => !ordinary || !(name === 'shader-f16' || name.startsWith('chromium-experimental')),
  );
  const requiredLimits = {};
  for (const name in adapter.limits) {
    // A browser may list limits that it does not let anyone raise.
    if (typeof adapter.limits[name] === 'number' && !/^(min|maxInterStage)/.test(name))
      requiredLimits[name] = adapter.limits[name];
  }
  const device = await adapter.requestDevice({ requiredFeatures: taken, requiredLimits });
  return { device, info: adapter.info, features: taken };
}

/**
 * @param {{ model: string, ordinary: boolean, contexts: number[], prefill: number[], tokens: number, prefillRuns: number }} job
 * @returns tokens a second: for each context and each prompt, every run's
 */
async function measure(job) {
  const ort = await import(`${BASE}ort.jspi.bundle.min.mjs`);
  const stem = `${BASE}ort-wasm-simd-threaded.jspi`;
  ort.env.wasm.wasmPaths = { mjs: `${stem}.mjs`, wasm: `${stem}.wasm` };
  const url = `/models/${job.model}/`;
  const meta = await (await fetch(`${url}meta.json`)).json();
  if (job.ordinary && meta.dtype === 'fp16')
    throw new Error(`${job.model}: float16 needs shader-f16, which ordinary features exclude`);
  const { device, info, features } = await openDevice(job.ordinary);
  const errors = [];
  device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  const common = { ort, device, meta, url };
  const decode = job.contexts.length > 0 ? await measureDecode(common, job) : [];
  const prefill = job.prefill.length > 0 ? await measurePrefill(common, job) : [];
  const { vendor, architecture, description } = info;
  const version = ort.env.versions?.web ?? '';
  device.destroy();
  if (errors.length > 0) throw new Error(errors[0]);
  return {
    engine: 'onnxruntime-web',
    version,
    dtype: meta.dtype,
    adapter: { vendor, architecture, description },
    features,
    decode,
    prefill,
  };
}

const cacheNames = ({ L }) => Array.from({ length: L }, (_, i) => [`${i}.key`, `${i}.value`]).flat();
const elementOf = ({ dtype }) =>
  dtype === 'fp16'
    ? { type: 'float16', bytes: 2, empty: () => new (globalThis.Float16Array ?? Uint16Array)(0) }
    : { type: 'float32', bytes: 4, empty: () => new Float32Array(0) };

async function openSession({ ort, device, url }, file, locations) {
  return ort.InferenceSession.create(`${url}${file}`, {
    executionProviders: [{ name: 'webgpu', device }],
    preferredOutputLocation: locations,
    externalData: [{ path: 'weights.bin', data: `${url}weights.bin` }],
  });
}

/** One KV buffer a layer and kind, as long as the longest context needs: what is past is not copied. */
async function measureDecode(common, { contexts, tokens }) {
  const { ort, device, meta } = common;
  const { type, bytes } = elementOf(meta);
  const names = cacheNames(meta);
  const capacity = Math.ceil((Math.max(...contexts) + WARM + tokens + 1) / 64) * 64;
  const session = await openSession(
    common,
    'static.onnx',
    Object.fromEntries(names.map((name) => [`present.${name}`, 'gpu-buffer'])),
  );
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffers = names.map(() => device.createBuffer({ size: meta.KV * capacity * meta.D * bytes, usage }));
  const feeds = {};
  const fetches = { logits: null };
  names.forEach((name, i) => {
    const tensor = ort.Tensor.fromGpuBuffer(buffers[i], {
      dataType: type,
      dims: [1, meta.KV, capacity, meta.D],
    });
    feeds[`past_key_values.${name}`] = tensor;
    fetches[`present.${name}`] = tensor;
  });
  const rows = [];
  for (const context of contexts) {
    const times = [];
    let id = 11;
    for (let i = 0; i < WARM + tokens; i++) {
      const total = context + i + 1;
      const started = performance.now();
      const outputs = await session.run(
        {
          ...feeds,
          input_ids: ids32(ort, [id]),
          seqlens_k: new ort.Tensor('int32', Int32Array.of(total - 1), [1]),
          total_seq: new ort.Tensor('int32', Int32Array.of(total), [1]),
        },
        fetches,
      );
      id = largest(outputs.logits.data);
      if (i >= WARM) times.push(performance.now() - started);
    }
    rows.push({ context, tokensPerSecond: (tokens * 1000) / times.reduce((a, b) => a + b, 0) });
  }
  await device.queue.onSubmittedWorkDone();
  await session.release();
  for (const buffer of buffers) buffer.destroy();
  return rows;
}

async function measurePrefill(common, { prefill, prefillRuns }) {
  const { ort, meta } = common;
  const { type, empty } = elementOf(meta);
  const names = cacheNames(meta);
  const session = await openSession(
    common,
    'std.onnx',
    Object.fromEntries(names.map((name) => [`present.${name}`, 'gpu-buffer'])),
  );
  const rows = [];
  for (const tokens of prefill) {
    let best = Infinity;
    // The first compiles and warms up.
    for (let run = 0; run < 1 + prefillRuns; run++) {
      const feeds = {
        attention_mask: new ort.Tensor('int64', new BigInt64Array(tokens).fill(1n), [1, tokens]),
      };
      for (const name of names)
        feeds[`past_key_values.${name}`] = new ort.Tensor(type, empty(), [1, meta.KV, 0, meta.D]);
      feeds.input_ids = ids64(
        ort,
        Array.from({ length: tokens }, (_, i) => (i * 7919) % meta.V),
      );
      const started = performance.now();
      const outputs = await session.run(feeds);
      largest(outputs.logits.data);
      if (run > 0) best = Math.min(best, performance.now() - started);
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
    rows.push({ tokens, tokensPerSecond: (tokens * 1000) / best });
  }
  await session.release();
  return rows;
}

globalThis.measure = measure;
