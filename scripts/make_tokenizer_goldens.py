#!/usr/bin/env python3
"""Ids and texts by Hugging Face's Rust tokenizers, for test/cpu/text/tokenizer_goldens.json.

    pip install tokenizers==0.23.3
    python3 scripts/make_tokenizer_goldens.py test/cpu/text/tokenizer_goldens.json --models ../shared/models
    npx oxfmt test/cpu/text

More texts and other seeds (not committed): --random 4000 --seed 7, then WEBMLA_TOKENIZER_GOLDENS=that.json vitest run.
Ids of the fixed texts are written out; of the random ones, and of the models, only digests of several texts together.

Three small vocabularies are trained on the text below, and put into the pipelines of real families: the tokenizer.json of
Llama 3, Qwen 2, DeepSeek 3, Falcon, GPT-NeoX, StarCoder / SmolLM, Llama 2, Mistral, Gemma, Phi-3 and T5-like models
differ in their pipelines, not only in their vocabularies. Python is not needed to run the tests.
"""

import argparse
import copy
import json
import math
import random
import re
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

CORPUS = (
    "The little model reads a word, then another word, and says what it thinks comes next. It isn't always right, but "
    "it's never slow. In 2024 there were 365 days and 52 weeks; 1,234,567 people read 89 pages each. "
    "Once upon a time, there was a small fox who wanted to learn how to swim. The fox asked the duck, \"Will you teach me?\" "
    "The duck said, \"Yes, I'll teach you!\" They went to the river together and they'd had a very good time. "
    "for (let i = 0; i < n; i++) {\n    total += values[i] * weights[i];\n    if (total > limit) return total;\n}\n\n"
    "Käse, Brötchen und Äpfel schmecken gut. L'été dernier, nous avons mangé des crêpes à la plage. "
    "El niño pequeño corría mañana. Привет, как дела? Всё хорошо, спасибо. 你好,世界。今天天气很好。 こんにちは世界。 "
    "안녕하세요 세계. مرحبا بالعالم. नमस्ते दुनिया। 😀😀🎉 the end.\n\tTabs\tand  double  spaces   too.\r\n"
)

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK3 = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def added(content, special=True, **flags):
    token = dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=not special, special=special)
    return {**token, **flags}


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


def byte_level(use_regex=True, add_prefix_space=False):
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def metaspace(scheme, split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def template(token, token_id):
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}},
    }


FALLBACK_DECODER = sequence("decoders", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"})
STRIP_DECODER = sequence(
    "decoders", *FALLBACK_DECODER["decoders"], {"type": "Strip", "content": " ", "start": 1, "stop": 0}
)
CHATML = [added("<|endoftext|>"), added("<|im_start|>"), added("<|im_end|>")]
LLAMA = [added("<unk>", normalized=False), added("<s>"), added("</s>")]


def families():
    """name -> vocabulary, model fields, added tokens (ids follow the vocabulary), and the pipeline."""
    return {
        "smollm": dict(
            vocabulary="bytes",
            added=CHATML,
            pre_tokenizer=sequence(
                "pretokenizers", {"type": "Digits", "individual_digits": True}, byte_level()
            ),
            decoder=byte_level(add_prefix_space=True),
        ),
        "llama3": dict(
            vocabulary="bytes",
            model={"ignore_merges": True},
            added=[added("<|begin_of_text|>"), added("<|eot_id|>"), added("<|start_header_id|>")],
            pre_tokenizer=sequence("pretokenizers", split(LLAMA3), byte_level(use_regex=False)),
            post_processor=sequence("processors", byte_level(), template("<|begin_of_text|>", None)),
            decoder=byte_level(),
        ),
        "qwen2": dict(
            vocabulary="bytes",
            added=[*CHATML, added("<tool_call>", special=False, normalized=False)],
            normalizer={"type": "NFC"},
            pre_tokenizer=sequence("pretokenizers", split(QWEN2), byte_level(use_regex=False)),
            decoder=byte_level(),
        ),
        "deepseek3": dict(
            vocabulary="bytes",
            added=[
                added("<｜begin▁of▁sentence｜>", normalized=True),
                added("<｜User｜>", special=False),
                added("<think>", special=False),
            ],
            normalizer=sequence("normalizers"),
            pre_tokenizer=sequence(
                "pretokenizers",
                split(r"\p{N}{1,3}"),
                split("[一-龥぀-ゟ゠-ヿ]+"),
                split(DEEPSEEK3),
                byte_level(use_regex=False),
            ),
            post_processor=byte_level(),
            decoder=byte_level(),
        ),
        "falcon": dict(
            vocabulary="bytes",
            added=[added("<|endoftext|>"), added(">>TITLE<<", single_word=True)],
            pre_tokenizer=sequence(
                "pretokenizers",
                {"type": "Punctuation", "behavior": "Contiguous"},
                byte_level(),
                {"type": "Digits", "individual_digits": False},
                split("[0-9][0-9][0-9]"),
            ),
            decoder=byte_level(),
        ),
        "neox": dict(
            vocabulary="bytes",
            added=[
                added("<|endoftext|>"),
                added("    ", special=False, normalized=True),
                added("  ", special=False, normalized=True),
                added("fox", special=False, single_word=True),
            ],
            normalizer={"type": "NFC"},
            pre_tokenizer=byte_level(add_prefix_space=True),
            decoder=byte_level(),
        ),
        "llama2": dict(
            vocabulary="pieces",
            added=LLAMA,
            normalizer=sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")),
            post_processor=template("<s>", 1),
            decoder=STRIP_DECODER,
        ),
        "mistral": dict(
            vocabulary="pieces",
            added=[*LLAMA, added("[INST]"), added("[/INST]")],
            pre_tokenizer=metaspace("first", split=False),
            post_processor=template("<s>", 1),
            decoder=STRIP_DECODER,
        ),
        "gemma": dict(
            vocabulary="pieces",
            added=[
                *LLAMA,
                added("<start_of_turn>"),
                added("\n\n", special=False, normalized=False),
                added("▁▁▁", special=False, normalized=False),
                added("<table>", special=False, normalized=False),
            ],
            normalizer=replace(" ", "▁"),
            pre_tokenizer={
                "type": "Split",
                "pattern": {"String": "▁"},
                "behavior": "MergedWithPrevious",
                "invert": False,
            },
            post_processor=template("<s>", 1),
            decoder=FALLBACK_DECODER,
        ),
        "phi3": dict(
            vocabulary="pieces",
            added=[
                *LLAMA[:2],
                added("</s>", rstrip=True),
                added("<|user|>", rstrip=True),
                added("<|end|>", lstrip=True, rstrip=True),
                added("<|mid|>", special=False, lstrip=True, normalized=True),
            ],
            normalizer=sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")),
            decoder=STRIP_DECODER,
        ),
        "no_fallback": dict(
            vocabulary="pieces",
            model={"byte_fallback": False, "fuse_unk": True},
            added=LLAMA,
            pre_tokenizer=metaspace("always"),
            decoder=metaspace("always"),
        ),
        "unigram": dict(
            vocabulary="unigram",
            added=LLAMA,
            normalizer=sequence(
                "normalizers",
                {"type": "NFKC"},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ),
            pre_tokenizer=metaspace("always"),
            post_processor=template("</s>", 2),
            decoder=metaspace("always"),
        ),
        "unigram_bytes": dict(
            vocabulary="unigram",
            model={"byte_fallback": True},
            added=LLAMA,
            normalizer=replace(" ", "▁"),
            decoder=FALLBACK_DECODER,
        ),
    }


def vocabularies():
    """Byte-level BPE, SentencePiece-like BPE with byte tokens, Unigram with byte tokens."""
    byte_bpe = Tokenizer(models.BPE())
    byte_bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_bpe.train_from_iterator(
        [CORPUS],
        trainers.BpeTrainer(
            vocab_size=420, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
        ),
    )
    pieces = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    pieces.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    pieces.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    # Chosen here, because the trainer chooses among equally frequent characters by chance.
    spelled = "▁" + CORPUS.replace(" ", "▁")
    frequent = sorted(set(spelled), key=lambda char: (-spelled.count(char), char))[:90]
    pieces.train_from_iterator(
        ["".join(char for char in CORPUS if char == " " or char in frequent)],
        trainers.BpeTrainer(
            vocab_size=560, special_tokens=["<unk>", "<s>", "</s>", *BYTES], initial_alphabet=frequent, show_progress=False
        ),
    )
    made = {}
    for name, tokenizer in [("bytes", byte_bpe), ("pieces", pieces)]:
        made[name] = json.loads(tokenizer.to_str())["model"]
    made["unigram"] = {"type": "Unigram", "unk_id": 0, "vocab": unigram_vocabulary(spelled, made["pieces"]["vocab"])}
    return made


def unigram_vocabulary(text, vocab):
    """The plainest pieces and how often they occur; the trainer's own are others every time."""
    pieces = [token for token in sorted(vocab, key=vocab.get) if re.fullmatch("[▁\\x21-\\x7e]+", token)]
    pieces = [token for token in pieces if not token.startswith("<") or token == "<"][:150]
    score = {token: round(math.log(text.count(token) / len(text)), 4) for token in pieces}
    # No text must be spelled with byte tokens just because they score well.
    low = min(score.values())
    return [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0], *[[token, low] for token in BYTES], *score.items()]


def build(family, vocabulary):
    """A tokenizer.json. Added tokens that the vocabulary lacks get the ids behind it."""
    model = {**vocabulary, **family.get("model", {})}
    vocab = model["vocab"]
    ids = dict(vocab) if isinstance(vocab, dict) else {token: i for i, (token, _) in enumerate(vocab)}
    tokens = []
    for token in family["added"]:
        ids.setdefault(token["content"], len(ids))
        tokens.append({"id": ids[token["content"]], **token})
    post = json.dumps(family.get("post_processor"))
    first = tokens[0]["id"]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(tokens, key=lambda token: token["id"]),
        "normalizer": family.get("normalizer"),
        "pre_tokenizer": family.get("pre_tokenizer"),
        "post_processor": json.loads(post.replace("[null]", f"[{first}]")),
        "decoder": family.get("decoder"),
        "model": model,
    }


def is_control(token):
    """As src/text/added_tokens.ts: everything but plain words and white space."""
    return token["special"] or any(not (c.isalnum() or c.isspace() or c == "▁") for c in token["content"])


def without_control(tokenizer_json):
    """The same tokenizer, unable to recognise a control token: what 'plain' means. All ids stay."""
    plain = copy.deepcopy(tokenizer_json)
    plain["post_processor"] = None
    vocab = plain["model"]["vocab"]
    known = set(vocab) if isinstance(vocab, dict) else {token for token, _ in vocab}
    kept = []
    for token in plain["added_tokens"]:
        if is_control(token):
            if token["content"] in known:
                continue
            token["content"] = "\U0010fffe" + token["content"]
        kept.append(token)
    plain["added_tokens"] = kept
    if isinstance(vocab, list):
        control = {token["content"] for token in tokenizer_json["added_tokens"] if is_control(token)}
        for entry in vocab:
            if entry[0] in control:
                entry[0] = "\U0010fffe" + entry[0]
    return plain


PARTS = [
    "Hello", "world", " the", " little", " fox", "fox", "foxes", " isn't", "'S", "'ll", " it's", "I'D", "'ſ", "don’t",
    " ", "  ", "   ", "    ", "        ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n ", "\u0085", "\u00a0", "\u2028",
    "\u3000", "\ufeff", "\u200b", "\u200d", "\u200c", "\x0b", "\x0c", "\x1c", "\x1f", "\u180e", "\u1680",
    "1", "23", "456", "7890", "12345678", "3.14", "1,000", "²", "½", "Ⅷ", "٣٤٥", "१२", "①", "𝟘𝟙", "5th", "x86",
    "!", "?!", "...", "…", "--", "—", "(a)", "[b]", "{c}", "“q”", "$", "€5", "+=", "<", ">", "|", "`~^", "\\", "/", "_", "¿", "、", "。",
    "é", "e\u0301", "a\u0308\u0323", "Å", "\u212b", "ﬁ", "ｆｕｌｌ", "ß", "ẞ", "İ", "ı", "Σ", "ς", "ǅ", "ʰ", "ª",
    "привет", "Ёж", "你好", "世界", "漢字かな", "カタカナ", "안녕", "\u1112\u1161\u11ab", "שלום", "مرحبا", "नमस्ते", "สวัสดี", "ქართული",
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️", "𝒜", "𠮷", "\U0001f9ff", "\U00040000", "\U0010ffff", "\ue000", "\ufdd0", "\uffff",
    "\x00", "\x01", "\x07", "\x1b[0m", "\x7f", "\x80",
    "▁", "▁▁▁", "▁the", "Ġ", "Ċ", "<0x41>", "<0xE2>", "##ing",
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_end", "|>", "<|begin_of_text|>", "<|eot_id|>", "<s>", "</s>", "<unk>",
    "[INST]", " [/INST]", "<start_of_turn>", "<table>", "<tool_call>", "<think>", "<｜User｜>", "<｜begin▁of▁sentence｜>",
    "<|user|>", " <|end|> ", "\n<|end|>\n", "  <|mid|>", ">>TITLE<<", "a>>TITLE<<b", "<|start_story|>", " <|start_story|>",
    "a" * 40, "ab" * 30, " " * 33, "\n" * 7, "é" * 20, "😀" * 9, "1" * 25, "=" * 41, "abcdefghijklmnopqrstuvwxyz",
]  # fmt: skip

FIXED = [
    "", " ", "\n", "a", " a", "a ", "  a  ", "Hello, world!", "The little fox isn't slow; it's 1,234,567 years old.",
    "for (let i = 0; i < n; i++) {\n    total += values[i];\n}\n", "<|im_start|>user\nHi<|im_end|>\n", "<s>[INST] Hi [/INST]",
    "text<s>text</s> text", "  <|end|>  <|user|> \n x", "x <|mid|>y", "x<|mid|> y", "e\u0301te\u0301", "Привет, 世界! 😀",
    "a<|start_story|>b <|start_story|>", "fox foxes fox-fox _fox", "\u0301", "12 34567 ²½ ٣٤", "a\u0085b\ufeffc\u00a0 d", "<tool_call>", "<｜User｜>x",
]  # fmt: skip


def make_texts(count, seed):
    """Lists of indexes into PARTS."""
    rng = random.Random(seed)
    return [[rng.randrange(len(PARTS)) for _ in range(rng.choice([1, 2, 3, 5, 8, 13]))] for _ in range(count)]


def digest(numbers):
    """FNV-1a of 32-bit numbers, as in tokenizer_goldens.test.ts."""
    value = 0x811C9DC5
    for number in numbers:
        value = ((value ^ (number & 0xFFFFFFFF)) * 0x01000193) & 0xFFFFFFFF
    return value


def spaced(numbers):
    return " ".join(map(str, numbers))


def record(ids, plain, around, text, shown):
    numbers = []
    for part in (ids, plain, around, map(ord, text), map(ord, shown)):
        numbers += [*part, 0xFFFFFFFF]
    return numbers


def mixes_bytes(tokens):
    """A run of byte tokens with good and bad characters: there our decoder differs, see token_decoder.ts."""
    runs, run = [], []
    for token in [*tokens, ""]:
        if re.fullmatch("<0x[0-9A-F]{2}>", token or ""):
            run.append(int(token[3:5], 16))
        elif run:
            runs.append(bytes(run))
            run = []
    for run in runs:
        text = run.decode("utf-8", errors="replace")
        if "\ufffd" in text and any(char != "\ufffd" for char in text):
            return True
    return False


class Golden:
    """One tokenizer.json and what it makes of texts."""

    def __init__(self, tokenizer_json):
        self.tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json))
        self.plain = Tokenizer.from_str(json.dumps(without_control(tokenizer_json)))
        self.special = {token["id"] for token in tokenizer_json["added_tokens"] if token["special"]}
        # Rust 0.23 leaves special tokens with normalized: true in the text, because it looks for their raw spelling.

    def encode(self, text):
        parsed = self.tokenizer.encode(text, add_special_tokens=False).ids
        spelled = self.plain.encode(text, add_special_tokens=False).ids
        return parsed, spelled, self.tokenizer.encode(text).ids

    def decode(self, ids):
        if mixes_bytes([self.tokenizer.id_to_token(i) for i in ids]):
            return "", ""
        shown = [i for i in ids if i not in self.special]
        if mixes_bytes([self.tokenizer.id_to_token(i) for i in shown]):
            return "", ""
        return (
            self.tokenizer.decode(ids, skip_special_tokens=False),
            self.tokenizer.decode(shown, skip_special_tokens=False),
        )

    def digests(self, texts, block):
        """One number for each block of texts."""
        found = []
        for start in range(0, len(texts), block):
            numbers = []
            for text in texts[start : start + block]:
                ids, plain, around = self.encode(text)
                numbers += record(ids, plain, around, *self.decode(ids))
            found.append(digest(numbers))
        return spaced(found)

    def random_ids(self, count, seed):
        rng = random.Random(seed)
        known = sorted(self.tokenizer.get_vocab().values())
        found = []
        while len(found) < count:
            ids = [rng.choice(known) for _ in range(rng.choice([1, 3, 8, 16]))]
            if not mixes_bytes([self.tokenizer.id_to_token(i) for i in ids]):
                found.append([spaced(ids), self.tokenizer.decode(ids, skip_special_tokens=False)])
        return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--random", type=int, default=240, help="random texts")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--block", type=int, default=4, help="texts a digest")
    arguments.add_argument("--models", type=Path, required=True, help="folder of folders with a tokenizer.json")
    options = arguments.parse_args()
    random_texts = make_texts(options.random, options.seed)
    texts = ["".join(PARTS[i] for i in parts) for parts in random_texts]
    made = vocabularies()
    # Lists of numbers and tokens are texts with spaces between, which keeps the file short. No token holds a space.
    shortened = copy.deepcopy(made)
    for model in shortened.values():
        vocab = model["vocab"]
        if isinstance(vocab, dict):
            model["vocab"] = " ".join(sorted(vocab, key=vocab.get))
            model["merges"] = " ".join(" ".join(merge) for merge in model["merges"])
        else:
            model["vocab"] = " ".join(f"{token} {score}" for token, score in vocab)
    golden = {
        "made_with": f"tokenizers {tokenizers.__version__}, scripts/make_tokenizer_goldens.py",
        "vocabularies": shortened,
        "parts": PARTS,
        "fixed_texts": FIXED,
        "random_texts": [spaced(parts) for parts in random_texts],
        "block": options.block,
        "families": {},
        "models": {},
    }
    for name, family in families().items():
        tokenizer_json = build(family, made[family["vocabulary"]])
        found = Golden(tokenizer_json)
        parts = {key: tokenizer_json[key] for key in ("added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder")}
        encoded = []
        for text in FIXED:
            ids, plain, around = found.encode(text)
            decoded, shown = found.decode(ids)
            row = [ids, plain, around, decoded, shown]
            # null or left out: the same as the ids; the decoded text as the text itself; the last as the one before it
            same = [None, ids, ids, text, decoded]
            row = [None if value == other else value for value, other in zip(row, same)]
            while row[-1] is None:
                row.pop()
            encoded.append([spaced(value) if isinstance(value, list) else value for value in row])
        golden["families"][name] = {
            "vocabulary": family["vocabulary"],
            "model": family.get("model", {}),
            **parts,
            "fixed": encoded,
            "random": found.digests(texts, options.block),
            "random_ids": found.random_ids(6, options.seed),
        }
    for file in sorted(options.models.glob("*/tokenizer.json")):
        found = Golden(json.loads(file.read_text()))
        golden["models"][file.parent.name] = {
            "fixed": found.digests(FIXED, options.block),
            "random": found.digests(texts, options.block),
            "random_ids": found.random_ids(6, options.seed),
        }
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":"))
    options.out.write_text(text + "\n")
    print(f"{options.out}: {len(text)} characters, {len(texts)} random texts, {len(golden['families'])} families, {list(golden['models'])}")


if __name__ == "__main__":
    main()
