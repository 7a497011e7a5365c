"""The sentiment set: short texts about the shop and about made-up firms, as positive, neutral or negative."""

from datetime import datetime, timedelta
from random import Random

from make_shop import FACTS, PRODUCTS
from make_text import fill

TRAIN_ROWS, TEST_ROWS = 360, 72
START = datetime(2026, 1, 5, 8)
LONGEST_GAP = 280
"""Minutes between two texts at most, so that all of them span about six weeks."""

FIRMS = {
    "en": ("Norvell Steel", "Tidewater Foods", "Quillon Energy", "Bluefern Motors", "Ostara Bank", "Pelham Robotics"),
    "zh": ("北澜钢铁", "潮汐食品", "青羽能源", "蓝蕨汽车", "晨曦银行", "鹏翰机器人"),
}
LABELS = ("positive", "neutral", "negative")
TEXTS: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    "en": {
        "delivery": {
            "positive": (
                "The {P} came [a day early|after only one day], [wonderful|I'm impressed]!",
                "Fast delivery, well packed, [all perfect|great].",
                "[Really|Super] quick shipping, my {P} {was} here on [Tuesday|Friday].",
            ),
            "neutral": (
                "The {P} arrived on [Monday|Wednesday] as announced.",
                "My parcel is at the pick-up point [now|since noon].",
                "Delivery took {n} days.",
            ),
            "negative": (
                "I waited {n} weeks for the {P}.",
                "The parcel was [wet|crushed], and nobody [answers|cares].",
                "Late [again|once more], and the driver was rude.",
            ),
        },
        "product": {
            "positive": (
                "The {P} {is} [great|excellent], I'd buy {it} again.",
                "I love my {P}, worth every cent.",
                "Best {P} I've ever had, [light|well made] and [pretty|practical].",
            ),
            "neutral": (
                "The {P} {comes} in a [grey|brown] box.",
                "I bought the {P} for my [brother|trip to the lake].",
                "The {P} {has} a label on the inside.",
            ),
            "negative": (
                "The {P} broke after {n} days.",
                "The {P} {is} [poorly made|far too expensive], [never again|don't buy {it}].",
                "I'm disappointed with the {P}, {they} {is} not as described.",
            ),
        },
        "service": {
            "positive": (
                "The team at {shop} was so [kind|helpful], thank you!",
                "They solved my problem in {n} minutes, [bravo|great job].",
                "Friendly answer from {shop} [on a Saturday|within an hour], I'm happy.",
            ),
            "neutral": (
                "I called {shop} about my invoice.",
                "{shop} opens at nine on [Mondays|Saturdays].",
                "I have changed my e-mail address at {shop}.",
                "I asked {shop} about [points|gift cards|parking|repairs|sizes|delivery abroad].",
                "I'm going to {shop} at [noon|ten|two|four] on [Monday|Tuesday|Friday].",
            ),
            "negative": (
                "Nobody at {shop} answers the phone, [terrible|so annoying].",
                "I asked {n} times and got no help.",
                "[Rude|Useless] service, I'm leaving {shop}.",
                "My [complaint|question|e-mail] to {shop} was [ignored|lost|never answered].",
            ),
        },
        "markets": {
            "positive": (
                "{firm} lifts its profit by {n}0% and raises the dividend.",
                "Shares of {firm} [jump|climb] after strong sales.",
                "{firm} wins a [record|large] order and will hire {n}00 people.",
            ),
            "neutral": (
                "{firm} will publish its figures on [Thursday|Tuesday].",
                "{firm} holds its annual meeting in [May|June].",
                "{firm} names {n} candidates for the board.",
            ),
            "negative": (
                "{firm} warns of a loss and cuts {n}00 jobs.",
                "Shares of {firm} [fall|plunge] after weak figures.",
                "{firm} recalls products and faces a [fine|lawsuit].",
            ),
        },
    },
    "zh": {
        "delivery": {
            "positive": (
                "{P}[提前一天|一天就]到了，[太棒了|真厉害]！",
                "送货快，包装好，[很满意|点赞]。",
                "[真|超]快，{P}[周二|周五]就收到了。",
            ),
            "neutral": ("{P}[周一|周三]按时到了。", "包裹[现在|中午]到了自提点。", "快递用了{n}天。"),
            "negative": ("{P}等了{n}个星期。", "包裹[湿了|压坏了]，也没人[回复|管]。", "[又|再次]晚到，快递员还很凶。"),
        },
        "product": {
            "positive": (
                "{P}[很好|太好用了]，还会再买。",
                "特别喜欢我的{P}，物有所值。",
                "用过最好的{P}，[轻便|做工好]又[漂亮|实用]。",
            ),
            "neutral": ("{P}装在[灰色|棕色]盒子里。", "{P}是给[哥哥|去湖边旅行]买的。", "{P}里面有一个标签。"),
            "negative": ("{P}用了{n}天就坏了。", "{P}[做工差|太贵]，[再也不买|别买]。", "对{P}很失望，和描述不一样。"),
        },
        "service": {
            "positive": (
                "{shop}的客服真[热情|耐心]，谢谢！",
                "{n}分钟就解决了问题，[赞|太好了]。",
                "{shop}[周六|一小时内]就回复，很开心。",
            ),
            "neutral": (
                "我给{shop}打电话问了发票。",
                "{shop}[周一|周六]九点开门。",
                "我在{shop}换了邮箱地址。",
                "问了{shop}[积分|礼品卡|停车|维修|尺码|寄国外]的事。",
                "[周一|周二|周五][中午|上午十点|下午两点|下午四点]去{shop}。",
            ),
            "negative": (
                "{shop}电话没人接，[太差|真烦]。",
                "问了{n}次都没人帮。",
                "服务[恶劣|没用]，不再去{shop}了。",
                "给{shop}的[投诉|反馈|邮件][没人理|石沉大海|一直没回]。",
            ),
        },
        "markets": {
            "positive": (
                "{firm}利润增长{n}0%，提高分红。",
                "{firm}销售强劲，股价[大涨|走高]。",
                "{firm}拿下[创纪录的|大]订单，将招聘{n}00人。",
            ),
            "neutral": (
                "{firm}将在[周四|周二]公布财报。",
                "{firm}[五月|六月]召开股东大会。",
                "{firm}提名{n}位董事候选人。",
            ),
            "negative": (
                "{firm}预告亏损，裁员{n}00人。",
                "{firm}业绩疲软，股价[下跌|大跌]。",
                "{firm}召回产品，面临[罚款|诉讼]。",
            ),
        },
    },
}
GRAMMAR = {False: ("is", "was", "comes", "has", "it", "it"), True: ("are", "were", "come", "have", "them", "they")}


def make() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Train and test rows. No sentence occurs twice, though the short remarks after it may.

    Languages, topics and labels are even in both parts.
    """
    random = Random(19)
    groups = [(language, topic, label) for language in TEXTS for topic in TEXTS[language] for label in LABELS]
    seen: set[str] = set()
    rows: list[dict[str, str]] = []
    while len(rows) < TRAIN_ROWS + TEST_ROWS:
        language, topic, label = groups[len(rows) % len(groups)]
        text = _text(language, topic, label, random)
        if text not in seen:
            seen.add(text)
            tail = random.choice(TAILS[language][label]) if random.random() < 0.5 else ""
            rows.append({"text": text + tail, "label": label, "topic": topic})
    test, train = rows[:TEST_ROWS], rows[TEST_ROWS:]
    order = [*train, *test]
    random.shuffle(order)
    moment = START
    for row in order:
        moment += timedelta(minutes=random.randint(5, LONGEST_GAP))
        row["time"] = moment.isoformat()
    return sorted(train, key=_time), sorted(test, key=_time)


def _time(row: dict[str, str]) -> str:
    return row["time"]


def _text(language: str, topic: str, label: str, random: Random) -> str:
    product = random.choice(PRODUCTS)
    words = dict(zip(("is", "was", "comes", "has", "it", "they"), GRAMMAR[product.plural], strict=True))
    slots = words | {
        "P": product.names[language],
        "shop": FACTS[language]["shop"],
        "firm": random.choice(FIRMS[language]),
        "n": str(random.randint(2, 9)),
    }
    return fill(random.choice(TEXTS[language][topic][label]), slots, random)


TAILS = {
    "en": {
        "positive": (" Brilliant.", " What a good day.", " More of this, please."),
        "neutral": (" That is all for now.", " More details later.", " Just for your information."),
        "negative": (" A shame.", " This has to change.", " I'm not amused."),
    },
    "zh": {
        "positive": ("真棒。", "真是好消息。", "希望继续保持。"),
        "neutral": ("暂时就这些。", "详情稍后。", "仅供参考。"),
        "negative": ("太遗憾了。", "必须改变。", "真不高兴。"),
    },
}
