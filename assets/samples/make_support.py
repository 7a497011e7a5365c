"""The support set: conversations walked through a small graph of intents, English and Chinese from the same graph.

The first digit of an order number tells its state, so that "where is my order 4821?" has an answer that can be learned.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import ModuleType

import make_shop as shop
import make_support_en
import make_support_zh
from make_shop import LANGUAGES, PRODUCTS, Product
from make_text import fill

Messages = list[dict[str, str]]
TEXTS: dict[str, ModuleType] = {"en": make_support_en, "zh": make_support_zh}
TRAIN_PER_LANGUAGE = 800
TEST_PER_LANGUAGE = 50
MOST_ALIKE = 0.7
MOST_TURNS = 5

DIGITS = {"packing": "123", "moving": "456", "delivered": "789"}
SINGULAR_THINGS = ("cat food", "perfume", "paint")


@dataclass(frozen=True)
class Opening:
    """How a conversation can start: which sentences, which product and order fit, and what may be asked next.

    `ask` is for customers who leave out the order number; the desk asks for it and then answers with `replies`.
    """

    users: str
    replies: str
    then: str = ""
    state: str = ""
    product: str = "any"
    ask: bool = False
    weight: int = 1


MORE = "price_after delivery_after colours_after sizes_after size_help wrap_after why yes_order"
ON_ITS_WAY = "when_arrive track not_home faster cancel_after address_after"
BEING_PACKED = "when_arrive faster track cancel_after address_after"

OPENINGS: dict[str, Opening] = {
    "status_packing": Opening("status", "status", BEING_PACKED, "packing", weight=2),
    "status_moving": Opening("status", "status", ON_ITS_WAY, "moving", weight=2),
    "status_delivered": Opening("status", "status", "not_found", "delivered"),
    "ask_packing": Opening("status_bare", "status", BEING_PACKED, "packing", ask=True),
    "ask_moving": Opening("status_bare", "status", ON_ITS_WAY, "moving", ask=True),
    "ask_delivered": Opening("status_bare", "status", "not_found", "delivered", ask=True),
    "late": Opening("late", "late", "rather_refund contact angry_more", weight=2),
    "address_packing": Opening("address", "address", "when_arrive faster", "packing"),
    "address_moving": Opening("address", "address", "when_arrive not_home", "moving"),
    "ask_address_packing": Opening("address_bare", "address", "when_arrive", "packing", ask=True),
    "ask_address_moving": Opening("address_bare", "address", "when_arrive", "moving", ask=True),
    "cancel_packing": Opening("cancel", "cancel", "refund_when", "packing"),
    "cancel_moving": Opening("cancel", "cancel", "refund_when postage no_box", "moving"),
    "ask_cancel_packing": Opening("cancel_bare", "cancel", "refund_when", "packing", ask=True),
    "ask_cancel_moving": Opening("cancel_bare", "cancel", "refund_when postage", "moving", ask=True),
    "return": Opening("return", "return", "refund_when postage no_box return_how_long return_shop used", weight=2),
    "exchange_size": Opening("exchange_size", "exchange_size", "exchange_how_long exchange_none postage used size_help",
                             product="sized", weight=2),
    "exchange_colour": Opening("exchange_colour", "exchange_colour", "exchange_how_long exchange_none postage used",
                               product="garment", weight=2),
    "damaged": Opening("damaged", "damaged", "mail_where keep_broken rather_refund", weight=2),
    "wrong_item": Opening("wrong_item", "wrong_item", "postage contact rather_refund"),
    "missing": Opening("missing", "missing", "contact rather_refund angry_more"),
    "refund_time": Opening("refund_time", "refund_time", "angry_more contact"),
    "payment_failed": Opening("payment_failed", "payment_failed", "money_taken basket other_payment"),
    "payment_methods": Opening("payment_methods", "payment_methods"),
    "invoice": Opening("invoice", "invoice", "company"),
    "discount": Opening("discount", "discount", "two_codes code_sale"),
    "points": Opening("points", "points", "points_expire points_join", weight=2),
    "hours": Opening("hours", "hours", "sunday parking", weight=2),
    "where": Opening("where", "where", "sunday parking"),
    "pickup": Opening("pickup", "pickup", "sunday parking"),
    "stock_in": Opening("stock", "stock", f"{MORE} reserve", product="in", weight=2),
    "stock_low": Opening("stock", "stock", f"{MORE} reserve", product="low"),
    "stock_out": Opening("stock", "stock", "notify price_after colours_after", product="out"),
    "price": Opening("price", "price", f"{MORE} stock_after", weight=5),
    "advice": Opening("advice", "advice", f"{MORE.replace(' why', '')} stock_after", weight=5),
    "gift_wrap": Opening("gift_wrap", "gift_wrap", "wrap_card wrap_price"),
    "gift_card": Opening("gift_card", "gift_card"),
    "warranty": Opening("warranty", "warranty", "receipt repair_time contact", product="sturdy"),
    "repair": Opening("repair", "repair", "repair_time repair_cost contact", product="soft"),
    "delivery_cost": Opening("delivery_cost", "delivery_cost", "faster"),
    "delivery_time": Opening("delivery_time", "delivery_time", "faster not_home"),
    "abroad": Opening("abroad", "abroad", "customs"),
    "password": Opening("password", "password", "no_mail link_old"),
    "account_mail": Opening("account_mail", "account_mail"),
    "newsletter": Opening("newsletter", "newsletter", "how_soon"),
    "complaint": Opening("complaint", "complaint", "angry_more"),
    "praise": Opening("praise", "praise"),
    "human": Opening("human", "human", "when_human"),
    "who": Opening("who", "who"),
    "range": Opening("range", "range"),
    "hello": Opening("hello", "hello"),
    "not_sold": Opening("not_sold", "not_sold", "who_else what_else", weight=2),
    "off_topic": Opening("off_topic", "off_topic", "what_else"),
    "thanks": Opening("thanks", "thanks"),
    "bye": Opening("bye", "bye"),
}  # fmt: skip
SWITCHES = ("hours", "where", "payment_methods", "delivery_cost", "gift_card", "points", "newsletter", "pickup",
            "discount", "invoice", "password", "human", "account_mail")  # fmt: skip
"""Openings that need neither order nor product, so a customer can turn to them at any moment."""

REPLY_OF = {
    "other_payment": "payment_methods",
    "price_after": "price",
    "stock_after": "stock",
    "wrap_after": "gift_wrap",
}
THEN_ONLY = {
    "cancel_after": "refund_when",
    "yes_order": "faster",
    "rather_refund": "",
    "angry_more": "when_human",
    "no_mail": "",
}
"""After these turns the earlier questions would make no sense any more."""

SAID: dict[str, tuple[str, ...]] = {
    "price_after": ("{price}",), "faster": ("{exp}",), "track": ("tracking link", "物流链接"),
    "mail_where": ("{mail}",), "contact": ("{mail}",),
    "return_how_long": ("{ret}",), "when_arrive": ("{std_time}",), "repair_cost": ("{fix}",),
    "repair_time": ("{fix_time}",), "sunday": ("Sunday", "周日"), "number_where": ("e-mail", "邮件"),
    "when_human": ("{hours}",), "code_sale": (" sale", "特价"), "two_codes": ("One code", "一个码"), "basket": ("24",),
    "other_payment": ("wallet", "手机支付"), "wrap_card": ("card", "卡片"), "how_soon": ("one day", "一天"),
    "refund_when": ("{refund}",), "notify": ("Tell me", "到货通知"), "delivery_after": ("{std}",),
    "not_home": ("neighbour", "邻居"),
    "receipt": ("order number", "订单号"), "points_join": ("free", "免费"),
    "postage": ("Returns are free", "免费退货", "no cost"),
    "rather_refund": ("money back", "退款"), "link_old": ("1 hour", "1小时"), "stock_after": ("in stock", "有货"),
    "exchange_none": ("in stock", "有货"), "keep_broken": ("send it back", "寄回"),
}  # fmt: skip
"""A question is skipped once the desk has said one of these: nobody asks what has just been answered."""

SOFT = ("tent", "backpack", "daypack", "bag", "jacket", "windbreaker", "fleece", "trousers")
NEVER_BREAK = ("bag", "kit", "bottle", "mat")
TYPOS_ZH = (
    ("账号", "帐号"),
    ("的", "得"),
    ("在", "再"),
    ("什么", "什麽"),
    ("吗", "嘛"),
    ("多久", "多就"),
    ("？", ""),
    ("。", ""),
)
NODDING = ("And", "But", "So", "Good", "Great", "Nice", "Pity", "Strange", "Sorry", "Actually",
           "好", "那", "可惜", "奇怪", "不错", "可是", "算了", "光说")  # fmt: skip
"""Questions that start like this already nod to the answer before."""
ASKING = (
    "Quick question: ",
    "请问，",
    "想问一下，",
    "顺便问一下，",
    "再问一下，",
    "Another question: ",
    "还有一个问题，",
)
"""Words that only a real question can follow."""
CUSTOMERS_OWN = ("no", "P", "size2", "colour2", "country", "thing")
"""Slots that only the customer can bring into a conversation; advice is the one exception."""
COURTESIES = ("thanks", "bye")
SOCIAL = (*COURTESIES, "hello", "praise", "complaint", "angry_more")
"""Turns that need no greeting before, no thanks after and no longer answer."""
KEEP_CASE = re.compile(r"(I|I'[a-z]+|Port|Larkmoor)\b")


@dataclass
class Walk:
    """One conversation while it grows: what this customer has, and what has been said."""

    language: str
    slots: dict[str, str]
    tags: list[str]
    product: Product
    messages: Messages = field(default_factory=list)

    def say(self, random: Random, users: str, replies: str, before: str = "", after: str = "") -> None:
        """Add one question and its answer."""
        text = TEXTS[self.language]
        question = fill(random.choice(text.USERS[users]), self.slots, random)
        nods_twice = before in text.NODS and question.startswith(NODDING)
        asks_nothing = before in ASKING and question[-1] not in "?？吗"
        before = "" if nods_twice or asks_nothing else before
        after = after if question[-1] in ".?!。？！" else ""
        question = _noisy(_join(before, question, self.slots) + after, self.language, self.slots, random)
        keys = [f"{replies}/{tag}" for tag in self.tags]
        key = next((key for key in keys if key in text.REPLIES), replies)
        answer = fill(random.choice(self.known(text.REPLIES[key], question)), self.slots, random)
        answer = answer if replies in SOCIAL else self._long_enough(answer, random)
        self.messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    def known(self, answers: tuple[str, ...], question: str) -> list[str]:
        """Answers that name nothing the customer has not named: the desk cannot guess a product or a number."""
        told = " ".join(message["content"] for message in self.messages) + question
        return [
            answer
            for answer in answers
            if all(self.slots[name] in told for name in CUSTOMERS_OWN if f"{{{name}}}" in answer)
        ] or list(answers)

    def _long_enough(self, answer: str, random: Random) -> str:
        """A short answer gets one more sentence, a different one each time, unless it asks or exclaims."""
        length, least, gap = (len(answer), 20, "") if self.language == "zh" else (len(answer.split()), 15, " ")
        closers = [fill(closer, self.slots, random) for closer in TEXTS[self.language].CLOSERS]
        places = (self.slots["mail"], self.slots["phone"], self.slots["shop"])
        fresh = [closer for closer in closers if not any(closer in message["content"] for message in self.messages)]
        if length >= least or answer.endswith(("?", "？", "!", "！")) or random.random() < 0.15:
            return answer
        repeated = [place for place in places if place in answer]
        return answer + gap + random.choice([one for one in fresh if not any(place in one for place in repeated)])

    def said(self, question: str) -> bool:
        """Whether the desk has already answered this question unasked."""
        answers = " ".join(message["content"] for message in self.messages[1::2])
        return any(fill(words, self.slots, Random(0)) in answers for words in SAID.get(question, ()))

    @property
    def turns(self) -> int:
        """User turns so far."""
        return len(self.messages) // 2


def _join(before: str, text: str, slots: dict[str, str]) -> str:
    """Put words before a sentence; a capital stays only where a name or "I" carries it."""
    first = text.split(" ")[0]
    keeps = KEEP_CASE.match(text) or first.isupper() or text.startswith((slots["P"], slots["Q"], slots["colour"]))
    goes_on = before.endswith((", ", ": ", "and ", "but "))
    return before + (text[0].lower() + text[1:] if goes_on and not keeps else text)


def _noisy(text: str, language: str, slots: dict[str, str], random: Random) -> str:
    """Now and then a typing mistake, never in a name or number: the desk has to read real customers."""
    if random.random() > 0.08:
        return text
    if language == "zh":
        mistakes = [pair for pair in TYPOS_ZH if pair[0] in text]
        return text.replace(*random.choice(mistakes), 1) if mistakes else text
    if random.random() < 0.4:
        return text.replace("'", "") if "'" in text else text.rstrip(".?!")
    names = set(slots["P"].split()) | set(slots["Q"].split())
    words = [word for word in text.split() if len(word) > 4 and word.isalpha() and word.islower() and word not in names]
    if not words:
        return text
    word, place = random.choice(words), random.randrange(1, 4)
    return text.replace(word, word[:place] + word[place + 1] + word[place] + word[place + 2 :], 1)


def fitting(kind: str) -> list[Product]:
    """Products that make sense for an opening."""
    tests: dict[str, Callable[[Product], bool]] = {
        "any": lambda product: True,
        "sized": lambda product: product.kind != "gear",
        "garment": lambda product: product.kind == "garment",
        "soft": lambda product: product.names["en"].endswith(SOFT),
        "sturdy": lambda product: product.kind == "gear" and not product.names["en"].endswith(NEVER_BREAK),
    }
    if kind not in tests:
        return [product for product in PRODUCTS if product.stock == kind]
    return [product for product in PRODUCTS if tests[kind](product)]


def _grammar(plural: bool) -> dict[str, str]:
    """English words that follow a product's number."""
    singular = ("is", "was", "does", "has", "costs", "comes", "it", "it", "this")
    many = ("are", "were", "do", "have", "cost", "come", "they", "them", "these")
    names = ("is", "was", "does", "has", "costs", "comes", "they", "it", "this")
    slots = dict(zip(names, many if plural else singular, strict=True))
    return slots | {name.capitalize(): slots[name].capitalize() for name in ("is", "does", "they")}


def start(opening: Opening, language: str, random: Random) -> Walk:
    """Draw everything that stays the same through a conversation."""
    product = random.choice(fitting(opening.product))
    singles = [other for other in PRODUCTS if not other.plural and other.names["en"][0] not in "OEH"]
    others = [other for other in singles if other != product]
    colour, colour2 = random.sample(shop.COLOURS[language], 2)
    sizes = shop.SHOE_SIZES if product.kind == "shoes" else shop.SIZES
    place = random.randrange(len(sizes) - 1)
    size, size2 = random.sample(sizes[place : place + 2], 2)
    thing = random.choice(shop.NOT_SOLD[language])
    price, reason = product.prices[language], product.reason[language]
    need = random.choice(product.need[language])
    digit = random.choice(DIGITS.get(opening.state, "123456789"))
    slots = shop.FACTS[language] | _grammar(product.plural) | {
        "P": product.names[language], "Q": random.choice(others).names[language], "colour": colour, "colour2": colour2,
        "size": size, "size2": size2, "price": f"${price}" if language == "en" else f"{price}元", "thing": thing,
        "need": need + "东西" if need.endswith("的") else need,
        "reason": reason, "Reason": reason[0].upper() + reason[1:],
        "no": f"{digit}{random.randrange(1000):03d}", "country": random.choice(shop.COUNTRIES[language]),
        "street": random.choice(shop.STREETS[language]),
    }  # fmt: skip
    tags = [opening.state, product.stock, product.kind, "free" if price >= shop.FREE_FROM[language] else "fee"]
    tags += ["one"] if thing in SINGULAR_THINGS else []
    return Walk(language, slots, tags, product)


def _next(walk: Walk, choices: list[str], random: Random) -> str | None:
    """A question that fits the product and has not been answered."""
    unfit = set()
    if walk.product.kind != "garment":
        unfit.add("colours_after")
    if walk.product.kind == "gear":
        unfit |= {"sizes_after", "size_help"}
    if walk.product.stock == "out":
        unfit |= {"yes_order", "reserve", "wrap_after"}
    fit = [choice for choice in choices if choice not in unfit and not walk.said(choice)]
    return random.choice(fit) if fit else None


def _open(walk: Walk, opening: Opening, random: Random) -> None:
    """The first turns: greeting, question, and the order number where the desk has to ask for it."""
    text = TEXTS[walk.language]
    social = opening.users in SOCIAL
    greeted = random.random() < 0.06 and not social
    if greeted:
        walk.say(random, "hello", "hello")
    before = random.choice(text.GREETINGS) if random.random() < 0.3 and not greeted and not social else ""
    after = random.choice(text.ENDINGS) if random.random() < 0.15 and not social else ""
    if not opening.ask:
        walk.say(random, opening.users, opening.replies, before, after)
        return
    walk.say(random, opening.users, "ask_number", before, after)
    if random.random() < 0.15 and not walk.said("number_where"):
        walk.say(random, "number_where", "number_where")
    walk.say(random, "give_number", opening.replies)


def _follow(walk: Walk, opening: Opening, random: Random) -> None:
    """Questions that depend on what was said, fewer the longer the conversation gets."""
    text = TEXTS[walk.language]
    choices = opening.then.split()
    if opening.users.startswith("cancel") and opening.state == "packing":
        walk.tags.insert(0, "cancelled")
    for chance in (0.72, 0.55, 0.45):
        name = _next(walk, choices, random) if random.random() < chance and walk.turns < MOST_TURNS else None
        if name is None:
            return
        nod = random.choice(text.NODS) if random.random() < 0.2 else ""
        walk.say(random, name, REPLY_OF.get(name, name), nod)
        choices = THEN_ONLY[name].split() if name in THEN_ONLY else [choice for choice in choices if choice != name]
        if name == "cancel_after" and opening.state == "packing":
            walk.tags.insert(0, "cancelled")


def converse(name: str, language: str, random: Random) -> Messages:
    """One conversation that starts with the named opening."""
    opening = OPENINGS[name]
    walk = start(opening, language, random)
    _open(walk, opening, random)
    _follow(walk, opening, random)
    social = opening.users in SOCIAL and name != "hello"
    switch = random.choice([other for other in SWITCHES if other != name])
    if random.random() < (0.9 if name == "hello" else 0.1) and walk.turns < MOST_TURNS and not social:
        before = random.choice(TEXTS[language].BRIDGES) if name != "hello" else ""
        walk.say(random, OPENINGS[switch].users, OPENINGS[switch].replies, before)
    if 1 < walk.turns < MOST_TURNS and random.random() < 0.25 and not social:
        closing = random.choice(("thanks", *COURTESIES))
        walk.say(random, closing, closing)
    return walk.messages


def grams(messages: Messages) -> tuple[frozenset[str], frozenset[str]]:
    """The user's side as 5-grams of characters and of words."""
    text = " ".join(message["content"].lower() for message in messages if message["role"] == "user")
    words = text.split()
    characters = frozenset(text[place : place + 5] for place in range(max(1, len(text) - 4)))
    return characters, frozenset(" ".join(words[place : place + 5]) for place in range(len(words) - 4))


def alike(one: tuple[frozenset[str], frozenset[str]], other: tuple[frozenset[str], frozenset[str]]) -> float:
    """The larger of the two Jaccard similarities."""
    pairs = [(mine, theirs) for mine, theirs in zip(one, other, strict=True) if mine and theirs]
    return max((len(mine & theirs) / len(mine | theirs) for mine, theirs in pairs), default=0.0)


def make() -> tuple[list[Messages], list[Messages]]:
    """Train and test conversations, both shuffled. Test is drawn first, and train keeps its distance from it."""
    random = Random(7)
    seen: set[str] = set()
    test = [converse(name, language, random) for language in LANGUAGES for name in _test_plan(language)]
    seen.update(_user_side(messages) for messages in test)
    held = [grams(messages) for messages in test]
    train: list[Messages] = []
    for count, language in enumerate(LANGUAGES, start=1):
        names = [name for name, opening in OPENINGS.items() for _ in range(opening.weight)]
        while len(train) < TRAIN_PER_LANGUAGE * count:
            messages = converse(random.choice(names), language, random)
            mine = grams(messages)
            if _user_side(messages) in seen or any(alike(mine, theirs) > MOST_ALIKE for theirs in held):
                continue
            seen.add(_user_side(messages))
            train.append(messages)
    random.shuffle(train)
    random.shuffle(test)
    return train, test


def _test_plan(language: str) -> list[str]:
    """Openings of one language's test conversations: every intent once, then more of an intent's forms.

    The languages take the forms of an intent from opposite ends, so that together they cover all of them.
    """
    names = [name for name in OPENINGS if OPENINGS[name].users not in COURTESIES]
    names = list(reversed(names)) if language == "zh" else names
    first = {OPENINGS[name].users: name for name in reversed(names)}
    chosen = [*first.values(), *COURTESIES]
    more = [name for name in names if name not in chosen]
    return (chosen + more)[:TEST_PER_LANGUAGE]


def _user_side(messages: Messages) -> str:
    return "\n".join(message["content"] for message in messages if message["role"] == "user")
