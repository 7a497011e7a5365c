"""The entities set: sentences with people, organisations, places and products, tagged word by word in BIO.

Every third name is kept for test, so that a model cannot do well by learning the names by heart. Chinese is tagged
character by character.
"""

import re
from random import Random

from make_text import fill

Tagged = dict[str, list[str]]
TRAIN_PER_LANGUAGE, TEST_PER_LANGUAGE = 110, 30

NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "PER": (
            "Nora Field",
            "Tom Ashby",
            "Ida Moreno",
            "Paul Winter",
            "Lena Brooks",
            "Omar Haddad",
            "Grace Lindqvist",
            "Victor Sato",
            "Mina Petrov",
            "Ruth Okafor",
            "Jonas Weller",
            "Clara Nowak",
        ),
        "ORG": (
            "Larkmoor",
            "Norvell Steel",
            "Tidewater Foods",
            "Quillon Energy",
            "Bluefern Motors",
            "Ostara Bank",
            "Pelham Robotics",
            "Willowbank Clinic",
            "Harbour Press",
            "Redwood Institute",
            "Marlow Airways",
            "Copper Lane Theatre",
        ),
        "LOC": (
            "Port Alder",
            "Mill Lane",
            "Greywater",
            "Lake Orrin",
            "Castle Dunmere",
            "Eastvale",
            "Silver Bay",
            "Mount Kelso",
            "Thornfield",
            "Amber Coast",
            "Old Quay",
            "North Haven",
        ),
        "PRODUCT": (
            "Fern tent",
            "Heron backpack",
            "Drizzle rain jacket",
            "Ridge hiking boots",
            "Firefly headlamp",
            "Brook bottle",
            "Glow lantern",
            "Cinder camping stove",
            "Otter wool socks",
            "Wren sun hat",
            "Moss sleeping mat",
            "Frost gloves",
        ),
    },
    "zh": {
        "PER": (
            "林小溪",
            "周明",
            "何雨",
            "高远",
            "陈若兰",
            "马文涛",
            "苏青",
            "赵一鸣",
            "黄思思",
            "罗杰",
            "沈墨",
            "唐晓梅",
        ),
        "ORG": (
            "云雀岭",
            "北澜钢铁",
            "潮汐食品",
            "青羽能源",
            "蓝蕨汽车",
            "晨曦银行",
            "鹏翰机器人",
            "柳岸诊所",
            "海港出版社",
            "红杉研究所",
            "远航航空",
            "铜巷剧院",
        ),
        "LOC": (
            "柳港市",
            "磨坊路",
            "灰水镇",
            "青鸟湖",
            "东谷县",
            "银湾",
            "鹿鸣山",
            "荆棘村",
            "琥珀海岸",
            "老码头",
            "北安",
            "桐花岛",
        ),
        "PRODUCT": (
            "蕨叶双人帐篷",
            "苍鹭背包",
            "细雨防雨外套",
            "山脊登山靴",
            "萤火虫头灯",
            "小溪水壶",
            "微光营地灯",
            "炭星露营炉",
            "水獭羊毛袜",
            "鹪鹩遮阳帽",
            "青苔睡垫",
            "霜花手套",
        ),
    },
}

SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        "{PER} works for {ORG} in {LOC} .",
        "{ORG} opens a new [shop|office] in {LOC} .",
        "{PER} bought the {PRODUCT} [yesterday|last week] .",
        "The {PRODUCT} from {ORG} is [sold out|popular] in {LOC} .",
        "{PER} and {PER2} met at {LOC} .",
        "{ORG} has named {PER} as its new [head|director] .",
        "Please send the {PRODUCT} to {PER} in {LOC} .",
        "{LOC} is [cold|lovely] in [winter|spring] .",
        "{PER} asked {ORG} for a refund .",
        "We took the {PRODUCT} to {LOC} and {LOC2} .",
        "{ORG} and {ORG2} plan a [joint|common] project .",
        "Is {PER} still in {LOC} ?",
        "It rained [all day|for a week] , so we stayed inside .",
        "{PER} , who lives in {LOC} , loves the {PRODUCT} .",
        "According to {ORG} , the {PRODUCT} will be [cheaper|back] soon .",
        "My [aunt|boss] {PER} left {ORG} [in May|this year] .",
        "Can {ORG} repair my {PRODUCT} ?",
        "The train to {LOC} leaves at [nine|noon] .",
    ),
    "zh": (
        "{PER}在{LOC}的{ORG}工作。",
        "{ORG}在{LOC}开了新[店|办公室]。",
        "{PER}[昨天|上周]买了{PRODUCT}。",
        "{ORG}的{PRODUCT}在{LOC}[卖完了|很受欢迎]。",
        "{PER}和{PER2}在{LOC}见面。",
        "{ORG}任命{PER}为新[主管|经理]。",
        "请把{PRODUCT}寄给{LOC}的{PER}。",
        "{LOC}的[冬天|春天]很[冷|美]。",
        "{PER}向{ORG}申请退款。",
        "我们带着{PRODUCT}去了{LOC}和{LOC2}。",
        "{ORG}和{ORG2}计划[合作|一个项目]。",
        "{PER}还在{LOC}吗？",
        "下了[一天|一周]的雨，我们没有出门。",
        "住在{LOC}的{PER}很喜欢{PRODUCT}。",
        "{ORG}说，{PRODUCT}很快会[降价|到货]。",
        "我的[姑姑|老板]{PER}[五月|今年]离开了{ORG}。",
        "{ORG}能修我的{PRODUCT}吗？",
        "去{LOC}的火车[九点|中午]开。",
    ),
}


def make() -> tuple[list[Tagged], list[Tagged]]:
    """Train and test rows, shuffled."""
    random = Random(23)
    parts = []
    for count, test in ((TRAIN_PER_LANGUAGE, False), (TEST_PER_LANGUAGE, True)):
        rows = [row for language in NAMES for row in _rows(language, count, test, random)]
        random.shuffle(rows)
        parts.append(rows)
    return parts[0], parts[1]


def _rows(language: str, count: int, test: bool, random: Random) -> list[Tagged]:
    found: dict[str, Tagged] = {}
    while len(found) < count:
        sentence = fill(random.choice(SENTENCES[language]).replace("{", "<").replace("}", ">"), {}, random)
        row = _tag(sentence, language, test, random)
        found[" ".join(row["tokens"])] = row
    return list(found.values())


def _tag(sentence: str, language: str, test: bool, random: Random) -> Tagged:
    """Put names where the sentence has slots. In test, half of the names are ones that train never shows."""
    tokens: list[str] = []
    tags: list[str] = []
    for piece in re.split(r"(<\w+>)", sentence):
        kind = piece.strip("<>").rstrip("2") if piece.startswith("<") else ""
        new = _split(_name(kind, language, test, tokens, random) if kind else piece, language)
        tokens += new
        tags += [f"{'I' if place else 'B'}-{kind}" if kind else "O" for place in range(len(new))]
    return {"tokens": tokens, "tags": tags}


def _name(kind: str, language: str, test: bool, said: list[str], random: Random) -> str:
    """A name that the sentence does not hold yet."""
    names = NAMES[language][kind]
    unseen = names[::3]
    known = [name for name in names if name not in unseen]
    pool = unseen if test and random.random() < 0.5 else known
    gap = " " if language == "en" else ""
    return random.choice([name for name in pool if name not in gap.join(said)])


def _split(text: str, language: str) -> list[str]:
    return text.split() if language == "en" else list(text)
