"""The tutor set: a patient tutor of maths, language and science. Sums are computed, so every worked step is right."""

from collections.abc import Callable
from fractions import Fraction
from random import Random

Alpaca = dict[str, str]
SUMS_PER_KIND = 5


def _row(instruction: str, output: str, given: str = "") -> Alpaca:
    return {"instruction": instruction, "input": given, "output": output}


def _order(random: Random) -> tuple[Alpaca, Alpaca]:
    a, b, c = random.randint(2, 20), random.randint(2, 9), random.randint(2, 9)
    term, wrong, right = f"{a} + {b} × {c}", (a + b) * c, a + b * c
    return (
        _row(
            "Find the mistake and explain it kindly.",
            f"Almost! Multiplication comes before addition. First {b} × {c} = {b * c},"
            f" then {a} + {b * c} = {right}. So the answer is {right}.",
            f"{term} = {wrong}",
        ),
        _row(
            "找出错误，并耐心解释。",
            f"差一点！要先算乘法，再算加法。先算{b} × {c} = {b * c}，再算{a} + {b * c} = {right}，所以答案是{right}。",
            f"{term} = {wrong}",
        ),
    )


def _equation(random: Random) -> tuple[Alpaca, Alpaca]:
    a, x, b = random.randint(2, 9), random.randint(2, 12), random.randint(1, 20)
    term = f"{a}x + {b} = {a * x + b}"
    return (
        _row(
            "Solve the equation step by step.",
            f"Let us go slowly. First take away {b} on both sides: {a}x = {a * x}."
            f" Then divide both sides by {a}: x = {x}. Check: {a} × {x} + {b} = {a * x + b}. It fits!",
            term,
        ),
        _row(
            "一步一步解方程。",
            f"我们慢慢来。先两边减去{b}，得到{a}x = {a * x}。再两边除以{a}，得到x = {x}。"
            f"检验：{a} × {x} + {b} = {a * x + b}，对了！",
            term,
        ),
    )


def _fraction(random: Random) -> tuple[Alpaca, Alpaca]:
    b, d = random.sample((2, 3, 4, 5, 6, 8), 2)
    total, common = Fraction(1, b) + Fraction(1, d), b * d
    end_en = f" In lowest terms that is {total}." if total.denominator != common else ""
    end_zh = f"约分后是{total}。" if total.denominator != common else ""
    steps = f"{d}/{common} + {b}/{common} = {b + d}/{common}"
    return (
        _row(
            f"How do I add 1/{b} and 1/{d}?",
            f"Good question! Fractions need the same bottom number first. Here {common} works:"
            f" {steps}.{end_en} Would you like to try another one?",
        ),
        _row(
            f"1/{b}加1/{d}怎么算？", f"问得好！分数相加要先通分，这里可以用{common}：{steps}。{end_zh}要不要再试一道？"
        ),
    )


def _percent(random: Random) -> tuple[Alpaca, Alpaca]:
    rate, base = random.choice((5, 10, 15, 20, 25, 30)), random.randrange(40, 400, 20)
    part = base * rate // 100
    return (
        _row(
            f"What is {rate}% of {base}?",
            f"Percent means out of a hundred. One percent of {base} is {base / 100:g}, and {rate} times"
            f" that is {part}. So {rate}% of {base} is {part}.",
        ),
        _row(
            f"{base}的{rate}%是多少？",
            f"百分之一就是除以一百。{base}的1%是{base / 100:g}，再乘{rate}就是{part}。所以答案是{part}。",
        ),
    )


def _area(random: Random) -> tuple[Alpaca, Alpaca]:
    a, b = random.randint(3, 15), random.randint(3, 15)
    return (
        _row(
            "Find the area and the perimeter.",
            f"The area is length times width: {a} × {b} = {a * b} square metres. The perimeter is"
            f" the way around: 2 × ({a} + {b}) = {2 * (a + b)} metres.",
            f"A rectangle is {a} m long and {b} m wide.",
        ),
        _row(
            "求面积和周长。",
            f"面积等于长乘宽：{a} × {b} = {a * b}平方米。周长是一圈的长度：2 × ({a} + {b}) = {2 * (a + b)}米。",
            f"一个长方形长{a}米，宽{b}米。",
        ),
    )


def _mean(random: Random) -> tuple[Alpaca, Alpaca]:
    middle, step = random.randint(6, 30), random.randint(1, 5)
    numbers = [middle - step, middle, middle + 2 * step, middle - step]
    listed, total = ", ".join(map(str, numbers)), sum(numbers)
    return (
        _row(
            "What is the mean of these numbers?",
            f"Add all numbers and divide by how many there are. The sum is {total}, there are 4"
            f" numbers, and {total} ÷ 4 = {total / 4:g}.",
            listed,
        ),
        _row(
            "这些数的平均数是多少？",
            f"把所有数加起来，再除以个数。和是{total}，一共4个数，{total} ÷ 4 = {total / 4:g}。",
            listed,
        ),
    )


def _speed(random: Random) -> tuple[Alpaca, Alpaca]:
    speed, hours = random.randrange(40, 121, 10), random.randint(2, 6)
    way = speed * hours
    return (
        _row(
            "Help me with this word problem.",
            f"Let us write down what we know: {way} km in {hours} hours. Speed is distance divided by"
            f" time, so {way} ÷ {hours} = {speed}. The train goes {speed} km per hour.",
            f"A train travels {way} km in {hours} hours. How fast is it?",
        ),
        _row(
            "帮我做这道应用题。",
            f"先写下已知：{hours}小时走{way}千米。速度是路程除以时间，{way} ÷ {hours} = {speed}，每小时走{speed}千米。",
            f"火车{hours}小时走了{way}千米，速度是多少？",
        ),
    )


KINDS: tuple[Callable[[Random], tuple[Alpaca, Alpaca]], ...] = (
    _order,
    _equation,
    _fraction,
    _percent,
    _area,
    _mean,
    _speed,
)

TALKS: tuple[tuple[str, str, str], ...] = (
    (
        "Why is the sky blue?",
        "",
        "Sunlight is a mix of all colours. Air scatters blue light much more than red, so blue reaches your eyes from"
        " all sides. In the evening the light has a longer way, and the red is left over.",
    ),
    (
        "Explain photosynthesis for a ten-year-old.",
        "",
        "Plants cook their own food! They take in water and carbon dioxide, use sunlight as"
        " energy and make sugar. What is left over is oxygen, which we breathe.",
    ),
    (
        "Why do we have seasons?",
        "",
        "The Earth's axis is tilted. For half a year the north leans towards the Sun and has summer, then it leans"
        " away and has winter. It is not about the distance.",
    ),
    (
        "Why does ice float?",
        "",
        "When water freezes, it takes up more room, so ice is lighter than the same amount of water. That is why"
        " it floats, and why lakes freeze from the top.",
    ),
    (
        "What is gravity?",
        "",
        "Gravity is the pull between things that have mass. The Earth is huge, so it pulls us down. The Moon is small,"
        " and you could jump much higher there.",
    ),
    (
        "How do magnets work?",
        "",
        "Each magnet has a north and a south pole. Different poles attract, equal poles push away. Try it with two"
        " magnets and a paper clip!",
    ),
    (
        "Why does the Moon change its shape?",
        "",
        "The Moon itself does not change. We see more or less of its sunny side while it moves around"
        " the Earth, in about 29 days.",
    ),
    (
        "What does a fraction mean?",
        "",
        "A fraction is a part of a whole. In 3/4 the bottom number says into how many equal pieces we cut, and"
        " the top number how many we take. Think of a pizza!",
    ),
    (
        "What is the difference between 'its' and 'it's'?",
        "",
        "'It's' is short for 'it is': It's raining. 'Its' shows that something belongs"
        " to it: The dog wags its tail. Tip: try saying 'it is'. If it fits, use the apostrophe.",
    ),
    (
        "Correct the grammar and explain.",
        "She don't like apples.",
        "She doesn't like apples. With he, she and it we use 'does'. You were very close!",
    ),
    (
        "Correct the grammar and explain.",
        "I have seen him yesterday.",
        "I saw him yesterday. 'Yesterday' is a finished time, so English uses the simple past.",
    ),
    (
        "Correct the grammar and explain.",
        "There is many books here.",
        "There are many books here. 'Books' is plural, so we say 'are'.",
    ),
    (
        "When do I use 'much' and when 'many'?",
        "",
        "Use 'many' for things you can count, like many books. Use 'much' for what you can't count, like much water.",
    ),
    (
        "I'm bad at maths. What can I do?",
        "",
        "You are not bad, you are still learning! Practise ten minutes a day, write down every step and"
        " enjoy each small success. Which topic shall we start with?",
    ),
    (
        "天空为什么是蓝色的？",
        "",
        "阳光里有各种颜色。空气更容易把蓝光散开，所以蓝光从四面八方来到我们眼里。傍晚光走的路更长，剩下的就是红光。",
    ),
    (
        "给十岁的孩子讲讲光合作用。",
        "",
        "植物会自己做饭！它们吸收水和二氧化碳，用阳光做能量，做出糖。剩下的是氧气，正好给我们呼吸。",
    ),
    (
        "为什么有四季？",
        "",
        "因为地球是斜着转的。半年里北半球朝着太阳，就是夏天；另外半年背着太阳，就是冬天。和远近没有关系。",
    ),
    ("冰为什么会浮在水上？", "", "水结冰时体积变大，所以同样大小的冰比水轻，就浮起来了。湖水也因此从上面开始结冰。"),
    ("什么是重力？", "", "有质量的东西会互相吸引。地球很大，所以把我们往下拉。月球小一些，在那里你能跳得更高。"),
    ("磁铁是怎么工作的？", "", "每块磁铁都有北极和南极。不同的极互相吸引，相同的极互相推开。用两块磁铁试一试吧！"),
    ("月亮的形状为什么会变？", "", "月亮本身没有变。它绕着地球转，我们看到的亮面有多有少，大约29天一轮。"),
    (
        "分数是什么意思？",
        "",
        "分数表示整体的一部分。四分之三里，分母4表示平均切成几块，分子3表示拿了几块。想想比萨饼！",
    ),
    (
        "“的”“地”“得”怎么分？",
        "",
        "“的”后面是名词，如“红色的花”；“地”后面是动词，如“慢慢地走”；“得”后面是结果，如“跑得快”。多读几遍就熟了。",
    ),
    (
        "改正句子并说明原因。",
        "通过这次活动，使我学到了很多。",
        "可以改成：“通过这次活动，我学到了很多。”原句缺主语，去掉“使”就对了。",
    ),
    ("改正句子并说明原因。", "他的写作水平明显改进了。", "可以改成：“他的写作水平明显提高了。”“水平”要和“提高”搭配。"),
    (
        "改正句子并说明原因。",
        "我们要养成阅读的好习惯和能力。",
        "可以改成：“我们要养成阅读的好习惯，提高阅读能力。”“养成”不能和“能力”搭配。",
    ),
    (
        "“再”和“在”怎么区分？",
        "",
        "“在”表示地点或正在做，如“在家”“在看书”；“再”表示又一次，如“再来一遍”。想一想意思就不会错。",
    ),
    (
        "我数学不好，怎么办？",
        "",
        "你不是不好，只是还在学！每天练十分钟，把每一步写下来，做对了就夸夸自己。我们从哪个题目开始？",
    ),
)


def make() -> list[Alpaca]:
    """Rows in Alpaca's form, shuffled; some have an empty input."""
    random = Random(13)
    rows = [_row(instruction, output, given) for instruction, given, output in TALKS]
    for kind in KINDS:
        found: dict[str, tuple[Alpaca, Alpaca]] = {}
        while len(found) < SUMS_PER_KIND:
            pair = kind(random)
            found.setdefault(pair[0]["instruction"] + pair[0]["input"], pair)
        rows += [row for pair in found.values() for row in pair]
    random.shuffle(rows)
    return rows
