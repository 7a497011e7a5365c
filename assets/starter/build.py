"""How the starter model was made, from the corpora to the weights in this folder.

    python assets/starter/build.py CORPUS_FOLDER WORK_FOLDER [--training.epochs 1.08]

CORPUS_FOLDER holds the text files that README.md lists (they are not part of the repository). Needs the packages of
requirements.txt only. The pretraining itself is this program's own `pretrain` task.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import generated

HERE = Path(__file__).parent
VOCABULARY = 6144
CONTEXT_TOKENS = 512
SPECIAL = ("<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|' + message.role + '|>' }}"
    "{%- if message.role == 'assistant' -%}"
    "{% generation %}{{ message.content + '<|end|>' }}{% endgeneration %}"
    "{%- else -%}{{ message.content + '<|end|>' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
BUDGET_CHARACTERS = {
    "en_sgd_dialogues.txt": 7_000_000,
    "en_tinystories_cased.txt": 940_000,
    "en_tinystories_lower.txt": 4_200_000,
    "en_tatoeba.txt": 820_000,
    "zh_kdconv_crosswoz.txt": 1_000_000,
    "zh_smilechat.txt": 3_600_000,
    "zh_tatoeba.txt": 300_000,
}
SPEAKERS = {"User": "user", "Assistant": "assistant", "用户": "user", "助手": "assistant"}
TURN = re.compile(rf"^({'|'.join(SPEAKERS)})[:：]\s*", re.MULTILINE)
HEAVY = re.compile("自杀|自残|自伤|抑郁症|死亡|去世|想死|强奸|性侵|家暴|出轨|流产|癌|精神分裂|药物")
"""Counselling dialogues about these are left out: a demonstration model should not answer in that voice."""
HELD_OUT = 0.01


def documents(path: Path) -> list[str]:
    """Documents of a corpus file; a blank line ends one. A list of single sentences is dealt out in small groups."""
    found = [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    if len(found) == 1:
        sentences = found[0].split("\n")
        random.Random(1).shuffle(sentences)
        found = ["\n".join(sentences[at : at + 12]) for at in range(0, len(sentences), 12)]
    return found


def names_of(cased: list[str], lower: list[str]) -> dict[str, str]:
    """Names to restore: words with capitals within sentences of `cased`, and whoever is "called" so in `lower`."""
    counts: dict[str, list[int]] = {}
    for text in cased:
        for word in re.findall(r"(?<=[a-z,] )([A-Za-z]+)", repair(text)):
            count = counts.setdefault(word.lower(), [0, 0])
            count[word[0].isupper()] += 1
    words = [word for word, (low, high) in counts.items() if high > 2 * low and high > 2]
    words += [w for text in lower for w in re.findall(r"(?:called|named) ([a-z]+)", text) if w not in counts]
    return {word: word.capitalize() for word in words}


MOJIBAKE = {"â€œ": '"', "â€\x9d": '"', "â€™": "'", "â€˜": "'", "â€”": "-", "â€“": "-", "â€¦": "...", "â€": '"'}
"""Quotation marks that were read in the wrong encoding before the corpus was published."""


def repair(text: str) -> str:
    """Plain quotation marks for broken ones."""
    for broken, whole in MOJIBAKE.items():
        text = text.replace(broken, whole)
    return text


def recase(text: str, names: dict[str, str]) -> str:
    """Capitals for a text that lost them: sentence starts, `I`, and known names."""
    text = re.sub(r"\b[a-z]+\b", lambda word: names.get(word.group(), word.group()), text)
    text = re.sub(r"\bi\b", "I", text)
    return re.sub(r'(^|[.!?]["”]? +|\n|(?<=[,:] ")|(?<=^"))([a-z])', lambda m: m.group(1) + m.group(2).upper(), text)


def as_row(text: str) -> dict[str, object]:
    """A dialogue becomes messages, anything else stays text."""
    pieces = TURN.split(text)
    if len(pieces) < 5 or pieces[0].strip():
        return {"text": text}
    turns = [
        {"role": SPEAKERS[who], "content": said.strip()}
        for who, said in zip(pieces[1::2], pieces[2::2], strict=True)
        if said.strip()
    ]
    return {"messages": turns}


def rows(corpus: Path) -> Iterator[dict[str, object]]:
    """All rows in the order of the budget table, each corpus cut to its share."""
    names = names_of(documents(corpus / "en_tinystories_cased.txt"), documents(corpus / "en_tinystories_lower.txt"))
    for name, budget in BUDGET_CHARACTERS.items():
        found = [text for text in documents(corpus / name) if not HEAVY.search(text)]
        random.Random(2).shuffle(found)
        for text in found:
            budget -= len(text)
            if budget < 0:
                break
            text = repair(text)
            yield as_row(recase(text, names) if "lower" in name else text)
    yield from ({"messages": turns} for turns in generated.dialogues())


def write_rows(corpus: Path, folder: Path) -> list[str]:
    """Two files a split (texts and dialogues are two formats). Returns all texts, for the tokenizer."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    everything = list(rows(corpus))
    random.Random(3).shuffle(everything)
    held_out = int(len(everything) * HELD_OUT)
    for split, part in (("validation", everything[:held_out]), ("train", everything[held_out:])):
        for kind in ("text", "messages"):
            lines = [json.dumps(row, ensure_ascii=False) for row in part if kind in row]
            (folder / f"{split}-{kind}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [
        str(row["text"]) if "text" in row else "\n".join(turn["content"] for turn in row["messages"])  # type: ignore[attr-defined]
        for row in everything[held_out:]
    ]


def write_shape(texts: list[str], folder: Path) -> None:
    """Tokenizer, template and the config of an untrained GPT-2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import GPT2Config, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=SPECIAL[0], bos_token=SPECIAL[0],
        additional_special_tokens=list(SPECIAL[1:]), model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    wrapped.chat_template = TEMPLATE
    shutil.rmtree(folder, ignore_errors=True)
    wrapped.save_pretrained(folder)
    GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT_TOKENS, n_embd=256, n_layer=4, n_head=4, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, architectures=["GPT2LMHeadModel"],
    ).save_pretrained(folder)  # fmt: skip


def publish(run: Path, folder: Path) -> None:
    """The result as float16 with its tokenizer, the way it stands in this folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(run / "model", dtype=torch.float32)
    model.half().save_pretrained(folder)
    AutoTokenizer.from_pretrained(run / "model").save_pretrained(folder)


def main() -> None:
    """Rows, tokenizer, pretraining, float16."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--prepare-only", action="store_true")
    parser.add_argument("--publish-only", type=Path, metavar="RUN", help="publish a finished run's model")
    options, extra = parser.parse_known_args()
    if options.publish_only:
        publish(options.publish_only, HERE)
        return
    write_shape(write_rows(options.corpus, options.work / "rows"), options.work / "shape")
    if options.prepare_only:
        return
    command = [
        sys.executable, "-m", "chatgui", "train", str(HERE / "pretrain.yaml"), "--home", str(options.work),
        "--data.source", str(options.work / "rows"), "--model.name", str(options.work / "shape"), *extra,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    publish(max((options.work / "runs").iterdir()), HERE)


if __name__ == "__main__":
    main()
