"""Makes test/cpu/formats/ggml_goldens.json: a few random blocks of every ggml type and their values as f32.

    pip install gguf==0.19.0 numpy
    python scripts/make_ggml_goldens.py

The values come from the gguf package (gguf-py of llama.cpp), an implementation that shares nothing with ours. All bits
of the quants are random; scales are random f16 of ordinary size, of both signs, with a zero and a subnormal among them.
"""

import base64
import json
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# type: (blocks, byte offsets of its f16 scales)
TYPES = {
    "Q8_0": (4, [0]),
    "Q4_0": (4, [0]),
    "Q4_1": (4, [0, 2]),
    "Q5_0": (4, [0]),
    "Q5_1": (4, [0, 2]),
    "Q4_K": (3, [0, 2]),
    "Q5_K": (3, [0, 2]),
    "Q6_K": (3, [208]),
}

rng = np.random.default_rng(20240501)
goldens = {}
for name, (blocks, scale_offsets) in TYPES.items():
    kind = GGMLQuantizationType[name]
    _, size = GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
    for offset in scale_offsets:
        scales = (rng.standard_normal(blocks) * 0.05).astype(np.float16)
        scales[-1] = np.float16(0) if offset else np.float16(3e-7)
        data[:, offset : offset + 2] = scales.view(np.uint8).reshape(blocks, 2)
    values = dequantize(data, kind).astype(np.float32)
    goldens[name] = {
        "bytes": base64.b64encode(data.tobytes()).decode(),
        "values": base64.b64encode(values.tobytes()).decode(),
    }

path = pathlib.Path(__file__).parent.parent / "test/cpu/formats/ggml_goldens.json"
path.write_text(json.dumps(goldens, indent=1) + "\n")
print(path, path.stat().st_size, "bytes")
