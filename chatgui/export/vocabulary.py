"""A tokenizer as a GGUF file holds it: byte-level BPE (GPT-2, Qwen, Llama 3) and BPE with byte fallback (Llama 2).

Token types and model names: the GGUF specification, and llama.cpp's loader of vocabularies.
"""

import json
from typing import Any

from chatgui.errors import ModelError
from chatgui.tokens.template import Template

GPT2_SPLIT = "gpt-2"
SPLITS = {
    # the pattern of the tokenizer's Split step -> llama.cpp's name for the same way of splitting
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": (
        "qwen2"
    ),
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+": "llama-bpe",
}


def add_vocabulary(writer: Any, template: Template, size: int) -> None:
    """Tokens, types, merges or scores, and special ids. `size` is the number of rows of the embedding.

    Raises ModelError for a tokenizer that llama.cpp would split in another way.
    """
    tokenizer = template.tokenizer
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    if description["model"]["type"] != "BPE":
        raise ModelError("export.gguf_tokenizer", found=description["model"]["type"])
    if description["model"].get("byte_fallback"):
        _add_byte_fallback(writer, tokenizer, description, size)
    else:
        _add_byte_level(writer, tokenizer, description, size)
    _add_special_ids(writer, template)


def _add_byte_level(writer: Any, tokenizer: Any, description: dict[str, Any], size: int) -> None:
    tokens, kinds = _tokens(tokenizer, description, size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_split(description))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) if isinstance(merge, list) else merge for merge in _merges(description)])


def _split(description: dict[str, Any]) -> str:
    """llama.cpp's name for how the tokenizer cuts text into words before merging."""
    step = description.get("pre_tokenizer") or {}
    steps = step.get("pretokenizers", [step])
    first = steps[0]
    byte_level_alone = len(steps) == 1 and first.get("type") == "ByteLevel" and description.get("normalizer") is None
    if byte_level_alone and first.get("use_regex", True) and not first.get("add_prefix_space"):
        return GPT2_SPLIT
    patterns = [part["pattern"].get("Regex") for part in steps if part.get("type") == "Split"]
    if len(patterns) == 1 and patterns[0] in SPLITS:
        return SPLITS[patterns[0]]
    raise ModelError("export.gguf_tokenizer", found=json.dumps(description.get("pre_tokenizer"))[:120])


def _add_byte_fallback(writer: Any, tokenizer: Any, description: dict[str, Any], size: int) -> None:
    """llama.cpp merges the neighbours whose union has the best score: here the rank of the merge that makes it."""
    import gguf

    tokens, kinds = _tokens(tokenizer, description, size)
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(_merges(description)):
        ranks.setdefault("".join(merge if isinstance(merge, list) else merge.split(" ")), rank)
    for index, token in enumerate(tokens):
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            kinds[index] = int(gguf.TokenType.BYTE)
    unknown = description["model"].get("unk_token")
    if unknown in tokens:
        kinds[tokens.index(unknown)] = int(gguf.TokenType.UNKNOWN)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(ranks[token]) if token in ranks else -float(len(tokens)) for token in tokens])
    writer.add_token_types(kinds)
    normalizer = json.dumps(description.get("normalizer"))
    writer.add_add_space_prefix("Prepend" in normalizer)


def _merges(description: dict[str, Any]) -> list[Any]:
    return list(description["model"].get("merges") or [])


def _tokens(tokenizer: Any, description: dict[str, Any], size: int) -> tuple[list[str], list[int]]:
    """Texts and types of all `size` ids; rows of the embedding without a token are unused ones."""
    import gguf

    by_id = {id_: token for token, id_ in tokenizer.get_vocab().items()}
    if max(by_id) >= size:
        raise ModelError("export.gguf_vocabulary", tokens=max(by_id) + 1, rows=size)
    added = {entry["id"]: entry for entry in description["added_tokens"]}
    tokens, kinds = [], []
    for id_ in range(size):
        tokens.append(by_id.get(id_, f"[unused{id_}]"))
        if id_ not in by_id:
            kinds.append(int(gguf.TokenType.UNUSED))
        elif id_ in added:
            special = added[id_]["special"]
            kinds.append(int(gguf.TokenType.CONTROL if special else gguf.TokenType.USER_DEFINED))
        else:
            kinds.append(int(gguf.TokenType.NORMAL))
    return tokens, kinds


def _add_special_ids(writer: Any, template: Template) -> None:
    tokenizer = template.tokenizer
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(template.end_of_turn_id)  # what ends a reply here must end it there
    writer.add_eot_token_id(template.end_of_turn_id)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    ids = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(bool(ids) and ids[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(False)
