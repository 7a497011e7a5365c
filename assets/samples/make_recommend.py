"""The recommend set: what made-up readers and viewers clicked on. Each likes two kinds of titles and little else."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

USERS = 24
TRAIN_ROWS, TEST_ROWS = 480, 120
START = datetime(2026, 3, 1, 7)
HISTORY = 6
LIKED, OTHER = 0.88, 0.1
"""Chance of a click on a title of a kind the user likes, and on any other."""

TITLES: dict[str, tuple[str, ...]] = {
    "crime": (
        "Murder at Willow Court",
        "The Silent Detective",
        "A Body in the Library Garden",
        "The Last Clue",
        "Inspector Vane Returns",
        "雨夜谜案",
        "沉默的侦探",
        "第七个证人",
        "古宅疑云",
        "消失的指纹",
    ),
    "space": (
        "Beyond the Red Planet",
        "The Star Pilots",
        "Orbit of No Return",
        "Signal from Andromeda",
        "The Moon Colony",
        "火星归途",
        "星际领航员",
        "月球基地",
        "银河尽头的信号",
        "最后的飞船",
    ),
    "love": (
        "A Summer in Love",
        "Letters to My Sweetheart",
        "The Wedding by the Sea",
        "Two Hearts, One Train",
        "Kiss Me in Autumn",
        "夏日恋歌",
        "海边的婚礼",
        "写给你的情书",
        "秋天的吻",
        "两颗心的距离",
    ),
    "cooking": (
        "Soups for Every Day",
        "The Bread Baker's Year",
        "Spice Kitchen",
        "Cakes Made Easy",
        "One Pot, Ten Dinners",
        "家常汤谱",
        "面包师的一年",
        "香料厨房",
        "零失败蛋糕",
        "一锅好菜",
    ),
    "nature": (
        "The Secret Life of Owls",
        "Walking with Bears",
        "Forests of the North",
        "The Coral Diaries",
        "A Year among Bees",
        "猫头鹰的秘密",
        "与熊同行",
        "北方的森林",
        "珊瑚日记",
        "蜜蜂的四季",
    ),
    "history": (
        "The Forgotten Empire",
        "Knights and Castles",
        "The Silk Traders",
        "Queens of the Old World",
        "The Long March of Rome",
        "失落的帝国",
        "骑士与城堡",
        "丝路商人",
        "古国女王",
        "长城往事",
    ),
}


def make() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Train and test rows in the order of time; all of test is later than train."""
    random = Random(29)
    users = [f"u{number:03d}" for number in range(1, USERS + 1)]
    tastes = {user: random.sample(list(TITLES), 2) for user in users}
    clicked = {user: random.sample([title for kind in tastes[user] for title in TITLES[kind]], 2) for user in users}
    moment, rows = START, []
    for _ in range(TRAIN_ROWS + TEST_ROWS):
        moment += timedelta(seconds=random.randint(300, 9000))
        rows.append(_show(random.choice(users), moment, tastes, clicked, random))
    return rows[:TRAIN_ROWS], rows[TRAIN_ROWS:]


def _show(
    user: str, moment: datetime, tastes: dict[str, list[str]], clicked: dict[str, list[str]], random: Random
) -> dict[str, Any]:
    """Show a user one title that is not in the history; half of the time it is to the user's taste."""
    others = [kind for kind in TITLES if kind not in tastes[user]]
    liked = random.random() < 0.5
    history = clicked[user][-HISTORY:]
    kinds = random.sample(tastes[user] if liked else others, 2)
    title = random.choice([title for kind in kinds for title in TITLES[kind] if title not in history])
    click = random.random() < (LIKED if liked else OTHER)
    if click:
        clicked[user].append(title)
    return {"user": user, "time": moment.isoformat(), "history": history, "candidate": title, "clicked": click}
