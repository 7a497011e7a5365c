"""The README files of the samples, with the rows counted while they are written."""

import textwrap
from collections.abc import Mapping

LICENCE = "Licence: CC0-1.0 (written for ChatGUI; no text was copied)."
AUTHORS = "Written by the ChatGUI authors; made by `assets/samples/make.py`, which gives the same bytes each time."

PURPOSES = {
    "support": "chat: customer service",
    "clinic": "chat: front desk of a clinic",
    "tutor": "chat: tutor",
    "writing": "chat: writing coach",
    "sentiment": "text classification",
    "entities": "named entities",
    "recommend": "click prediction",
    "preference": "preference learning",
}
FORMATS = {
    "support": "messages (JSON lines)",
    "clinic": "ShareGPT (JSON lines)",
    "tutor": "Alpaca (JSON array)",
    "writing": "prompt, completion (CSV)",
    "sentiment": "text, label, topic, time (CSV)",
    "entities": "tokens, tags in BIO (JSON lines)",
    "recommend": "user, time, history, candidate, clicked (JSON lines)",
    "preference": "prompt, chosen, rejected (JSON lines)",
}
TEXTS = {
    "support": (
        "Customer service of Larkmoor (云雀岭), a made-up outdoor shop: 45 kinds of questions, 1 to 5 "
        "turns, always in one voice. All facts (prices, times, fees) are in `make_shop.py` and the same in "
        "every conversation. The first digit of an order number tells its state, so that it can be learned: "
        "1-3 is being packed, 4-6 on its way, 7-9 delivered. `test` is fixed and covers every kind of "
        "question; no conversation of `train` is nearly equal to one of `test` (5-gram Jaccard similarity of "
        "the user turns at most 0.7)."
    ),
    "clinic": (
        "Front desk of the made-up Willowbank Clinic (柳岸诊所): appointments, opening hours, documents. It never "
        "makes a diagnosis and sends emergencies to the emergency number. Not medical advice."
    ),
    "tutor": (
        "A patient tutor of maths, language and science. The sums are computed, so every worked step is "
        "right; about half of the rows have an empty input."
    ),
    "writing": (
        "A coach that improves a sentence and says why. Texts hold commas, quotes and line breaks, quoted as "
        "CSV asks for."
    ),
    "sentiment": (
        "Short texts about a made-up shop and made-up firms, as positive, neutral or negative; topics are "
        "delivery, product, service and markets, times are ISO 8601 over about six weeks. No sentence of "
        "`test` occurs in `train`."
    ),
    "entities": (
        "Sentences with people (PER), organisations (ORG), places (LOC) and products (PRODUCT), all made up. "
        "Chinese tokens are single characters. Every third name occurs in `test` only."
    ),
    "recommend": (
        "What 24 made-up users clicked on among 60 made-up book and film titles. Each user likes two of six "
        "kinds of titles and clicks on those far more often. `history` holds the last clicked titles; all of "
        "`test` is later than `train`."
    ),
    "preference": (
        "Questions to the shop of `support` with two answers: `chosen` is polite, concrete and short, "
        "`rejected` is curt, vague or states a wrong fact."
    ),
}


def folder(name: str, rows: Mapping[str, int]) -> str:
    """README of one dataset."""
    counts = "\n".join(f"Rows: {count} in `{file}`." for file, count in rows.items())
    head, tail = f"# {name}\n\n{textwrap.fill(TEXTS[name], 116)}", f"{AUTHORS}\n{counts}"
    return f"{head}\n\n{tail}\nFormat: {FORMATS[name]}. {BILINGUAL}\n{LICENCE}\n"


BILINGUAL = "Half English, half Simplified Chinese."


def overview(rows: Mapping[str, Mapping[str, int]]) -> str:
    """README of the folder that holds all datasets."""
    head = (
        "| Folder | For | Format | Train | Test | Languages | Licence |\n| --- | --- | --- | ---: | ---: | --- | --- |"
    )
    lines = []
    for name, files in rows.items():
        train, test = next(iter(files.values())), list(files.values())[1:]
        cells = (
            f"`{name}`",
            PURPOSES[name],
            FORMATS[name],
            str(train),
            str(test[0]) if test else "-",
            "en, zh",
            "CC0-1.0",
        )
        lines.append("| " + " | ".join(cells) + " |")
    table = "\n".join([head, *lines])
    return f"# Bundled samples\n\n{INTRODUCTION}\n\n{table}\n\n{LICENCE}\n"


INTRODUCTION = """
Small datasets to try ChatGUI with: no download, no account. Every shop, firm, person, title, e-mail address and
phone number is made up. `python assets/samples/make.py` writes all files anew, byte for byte the same.
""".strip()
