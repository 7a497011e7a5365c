"""The preference set: customers of the shop with a good answer and a worse one, which is curt, vague or wrong."""

from random import Random
from types import ModuleType

import make_support
from make_shop import LANGUAGES
from make_text import fill

ROWS_PER_LANGUAGE = 75
INTENTS = (
    "late",
    "return",
    "exchange_size",
    "damaged",
    "wrong_item",
    "refund_time",
    "payment_failed",
    "payment_methods",
    "invoice",
    "points",
    "hours",
    "price",
    "advice",
    "gift_wrap",
    "warranty",
    "repair",
    "delivery_cost",
    "delivery_time",
    "password",
    "newsletter",
    "complaint",
)
WRONG_FACTS = {
    "en": {
        "hours": "every day from 11 am to 3 pm",
        "std": "$19",
        "std_time": "4 to 6 weeks",
        "exp": "$45",
        "free": "$500",
        "ret": "3 days",
        "refund": "3 months",
        "war": "2 weeks",
        "fix": "$150",
        "fix_time": "half a year",
        "wrap": "$25",
        "voucher": "50 cents",
        "price": "$999",
    },
    "zh": {
        "hours": "每天中午11点到下午3点",
        "std": "120元",
        "std_time": "4到6个星期",
        "exp": "300元",
        "free": "5000元",
        "ret": "3天",
        "refund": "3个月",
        "war": "2个星期",
        "fix": "1000元",
        "fix_time": "半年",
        "wrap": "180元",
        "voucher": "5毛",
        "price": "9999元",
    },
}
"""Answers filled with these sound right and contradict the shop's facts."""

CURT = {
    "en": (
        "No.",
        "Look it up yourself.",
        "That's your problem.",
        "Read the website.",
        "Not my job.",
        "Whatever.",
        "Ask someone else.",
        "You should have thought of that before.",
    ),
    "zh": ("不行。", "自己查。", "这是你的问题。", "看网站。", "不归我管。", "随便。", "问别人去。", "早干嘛去了。"),
}
VAGUE = {
    "en": (
        "It depends. Maybe it works, maybe not.",
        "Someone will probably look at it at some point.",
        "Usually things like that sort themselves out.",
        "There are different ways, it varies a lot.",
        "I'm not sure, but it might be possible somehow.",
        "We have several rules about that, and they can change.",
    ),
    "zh": (
        "看情况吧，也许行，也许不行。",
        "可能过段时间会有人看看。",
        "这种事一般自己就好了。",
        "办法很多，不太一定。",
        "不太清楚，也许可以吧。",
        "这方面有一些规定，可能会变。",
    ),
}


def make() -> list[dict[str, str]]:
    """Rows, shuffled; no prompt occurs twice."""
    random = Random(31)
    rows: list[dict[str, str]] = []
    for language in LANGUAGES:
        found: dict[str, dict[str, str]] = {}
        while len(found) < ROWS_PER_LANGUAGE:
            row = _row(INTENTS[len(found) % len(INTENTS)], language, random)
            found.setdefault(row["prompt"], row)
        rows += found.values()
    random.shuffle(rows)
    return rows


def _row(intent: str, language: str, random: Random) -> dict[str, str]:
    opening = make_support.OPENINGS[intent]
    walk = make_support.start(opening, language, random)
    walk.say(random, opening.users, opening.replies)
    question, chosen = (message["content"] for message in walk.messages)
    rejected = random.choice(
        (
            random.choice(CURT[language]),
            random.choice(VAGUE[language]),
            _wrong(make_support.TEXTS[language], opening.replies, walk, random),
        )
    )
    return {"prompt": question, "chosen": chosen, "rejected": rejected}


def _wrong(text: ModuleType, replies: str, walk: make_support.Walk, random: Random) -> str:
    """An answer with a wrong fact; a curt one where the answers state no fact."""
    wrong = WRONG_FACTS[walk.language]
    answers = [answer for answer in text.REPLIES[replies] if any(f"{{{name}}}" in answer for name in wrong)]
    if not answers:
        return random.choice(CURT[walk.language])
    return fill(random.choice(walk.known(tuple(answers), walk.messages[0]["content"])), walk.slots | wrong, random)
