"""Small talk and everyday facts in two languages, made from word lists: the part of the corpus written for this model.

It gives the base model short, polite question-and-answer turns that the corpora lack. Nothing in it touches the
subjects of the bundled samples.
"""

import random
from collections.abc import Iterator

Turn = dict[str, str]

GREETINGS = (
    ("Hello!", "Hello! Nice to hear from you."),
    ("Hi there.", "Hi! How are you today?"),
    ("Good morning!", "Good morning! I hope you slept well."),
    ("How are you?", "I am fine, thank you. And you?"),
    ("Thank you very much.", "You are welcome."),
    ("Goodbye!", "Goodbye, and have a nice day."),
)
GREETINGS_ZH = (
    ("你好！", "你好！很高兴和你聊天。"),
    ("早上好。", "早上好！今天过得怎么样？"),
    ("你最近好吗？", "我很好，谢谢。你呢？"),
    ("非常感谢。", "不客气。"),
    ("再见！", "再见，祝你今天愉快。"),
)
KINDS = {
    "a fruit": ("apple", "pear", "peach", "plum", "banana", "grape", "lemon"),
    "an animal": ("dog", "cat", "horse", "sheep", "rabbit", "goat", "fox"),
    "a colour": ("red", "blue", "green", "yellow", "white", "black", "brown"),
    "a vegetable": ("carrot", "potato", "onion", "cabbage", "pea", "leek"),
    "a musical instrument": ("piano", "violin", "flute", "drum", "trumpet", "harp"),
    "a bird": ("sparrow", "crow", "owl", "eagle", "duck", "swan"),
}
KINDS_ZH = {
    "水果": ("苹果", "梨", "桃子", "李子", "香蕉", "葡萄", "柠檬"),
    "动物": ("狗", "猫", "马", "羊", "兔子", "狐狸", "熊"),
    "颜色": ("红色", "蓝色", "绿色", "黄色", "白色", "黑色"),
    "蔬菜": ("胡萝卜", "土豆", "洋葱", "白菜", "豌豆", "菠菜"),
    "乐器": ("钢琴", "小提琴", "长笛", "鼓", "小号", "二胡"),
    "鸟": ("麻雀", "乌鸦", "猫头鹰", "老鹰", "鸭子", "天鹅"),
}
OPPOSITES = (
    ("hot", "cold"), ("big", "small"), ("fast", "slow"), ("old", "young"), ("day", "night"), ("open", "closed"),
    ("early", "late"), ("light", "dark"), ("high", "low"), ("wet", "dry"),
)  # fmt: skip
OPPOSITES_ZH = (
    ("热", "冷"), ("大", "小"), ("快", "慢"), ("老", "年轻"), ("白天", "黑夜"), ("早", "晚"), ("高", "低"),
    ("干", "湿"),
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS_ZH = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")
WEATHER = (
    ("It is raining outside.", "Then take an umbrella with you, or stay in and read a book."),
    ("The sun is shining today.", "What a fine day for a walk in the park!"),
    ("It is very cold this morning.", "Put on a warm coat and a scarf before you go out."),
)
WEATHER_ZH = (
    ("外面下雨了。", "那就带上雨伞，或者在家看看书吧。"),
    ("今天阳光真好。", "这样的天气很适合去公园散步。"),
    ("早上好冷啊。", "出门前记得穿上厚外套，围上围巾。"),
)


def dialogues(count: int = 3000) -> Iterator[list[Turn]]:
    """`count` short conversations of one to three exchanges in one language each, the same ones every time."""
    rng = random.Random(7)
    english = (_greeting, _weather, _kind, _opposite, _day, _sum)
    chinese = (_greeting_zh, _weather_zh, _kind_zh, _opposite_zh, _day_zh, _sum_zh)
    for _ in range(count):
        turns: list[Turn] = []
        for maker in rng.choices(rng.choice((english, chinese)), k=rng.choice((1, 1, 2, 3))):
            question, answer = maker(rng)
            turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        yield turns


def _greeting(rng: random.Random) -> tuple[str, str]:
    return rng.choice(GREETINGS)


def _greeting_zh(rng: random.Random) -> tuple[str, str]:
    return rng.choice(GREETINGS_ZH)


def _weather_zh(rng: random.Random) -> tuple[str, str]:
    return rng.choice(WEATHER_ZH)


def _weather(rng: random.Random) -> tuple[str, str]:
    return rng.choice(WEATHER)


def _kind(rng: random.Random) -> tuple[str, str]:
    kind = rng.choice(tuple(KINDS))
    members = rng.sample(KINDS[kind], 3)
    if rng.random() < 0.5:
        return f"Can you name {kind}?", f"Yes: {members[0]}, for example. Others are {members[1]} and {members[2]}."
    return f"What is a {members[0]}?" if members[0][0] not in "aeo" else f"What is an {members[0]}?", f"It is {kind}."


def _kind_zh(rng: random.Random) -> tuple[str, str]:
    kind = rng.choice(tuple(KINDS_ZH))
    members = rng.sample(KINDS_ZH[kind], 3)
    if rng.random() < 0.5:
        return f"你能说出一种{kind}吗？", f"可以，比如{members[0]}，还有{members[1]}和{members[2]}。"
    return f"{members[0]}是什么？", f"{members[0]}是一种{kind}。"


def _opposite(rng: random.Random) -> tuple[str, str]:
    pair = rng.sample(rng.choice(OPPOSITES), 2)
    return f"What is the opposite of {pair[0]}?", f"The opposite of {pair[0]} is {pair[1]}."


def _opposite_zh(rng: random.Random) -> tuple[str, str]:
    pair = rng.sample(rng.choice(OPPOSITES_ZH), 2)
    return f"“{pair[0]}”的反义词是什么？", f"“{pair[0]}”的反义词是“{pair[1]}”。"


def _day(rng: random.Random) -> tuple[str, str]:
    at = rng.randrange(7)
    return f"Which day comes after {DAYS[at]}?", f"{DAYS[(at + 1) % 7]} comes after {DAYS[at]}."


def _day_zh(rng: random.Random) -> tuple[str, str]:
    at = rng.randrange(7)
    return f"{DAYS_ZH[at]}的后一天是星期几？", f"{DAYS_ZH[at]}的后一天是{DAYS_ZH[(at + 1) % 7]}。"


def _sum(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    return f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}."


def _sum_zh(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    return f"{a}加{b}等于几？", f"{a}加{b}等于{a + b}。"
