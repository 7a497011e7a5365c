"""The clinic set: front desk of the made-up Willowbank Clinic. It books and informs, and never makes a diagnosis."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from make_text import fill

ROWS_PER_LANGUAGE = 70

SLOTS = {
    "en": {
        "clinic": "Willowbank Clinic",
        "hours": "Monday to Friday from 8 am to 6 pm",
        "phone": "555 0177",
        "urgent": "call the emergency number right away",
        "bring": "your ID, insurance card and a list of your medicines",
    },
    "zh": {
        "clinic": "柳岸诊所",
        "hours": "周一至周五早上8点到晚上6点",
        "phone": "555 0177",
        "urgent": "马上拨打急救电话120",
        "bring": "身份证、医保卡和正在吃的药的清单",
    },
}
DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "zh": ("周一", "周二", "周三", "周四", "周五"),
}
TIMES = {
    "en": ("8:30 am", "9:20 am", "10:40 am", "2:10 pm", "3:30 pm", "4:50 pm"),
    "zh": ("上午8点半", "上午9点20分", "上午10点40分", "下午2点10分", "下午3点半", "下午4点50分"),
}
COMPLAINTS = {
    "en": (
        "a sore throat",
        "back pain",
        "a cough",
        "a skin rash",
        "headaches",
        "a stomach ache",
        "an earache",
        "a swollen knee",
    ),
    "zh": ("嗓子疼", "背疼", "咳嗽", "起疹子", "头疼", "胃疼", "耳朵疼", "膝盖肿"),
}
DANGERS = {
    "en": (
        "My father has strong chest pain",
        "My wife can't breathe well",
        "My son has swallowed cleaning fluid",
        "My neighbour has collapsed and does not answer",
        "One side of my mother's face is hanging down",
        "I cut myself and the bleeding does not stop",
        "My daughter's lips are swelling after a bee sting",
    ),
    "zh": (
        "我爸爸胸口疼得厉害",
        "我妻子喘不上气",
        "我儿子喝了清洁剂",
        "邻居晕倒了，叫不醒",
        "我妈妈半边脸歪了",
        "我割伤了，血止不住",
        "女儿被蜜蜂蜇了，嘴唇肿起来",
    ),
}


@dataclass(frozen=True)
class Topic:
    """What patients ask, how the desk answers, and pairs of a later question and its answer."""

    users: tuple[str, ...]
    replies: tuple[str, ...]
    later: tuple[tuple[str, str], ...] = ()


TOPICS: dict[str, tuple[Topic, ...]] = {
    "en": (
        Topic(
            (
                "I'd like to make an appointment[ because of {ill}|].",
                "Can I see a doctor this week? I have {ill}.",
                "I need an appointment on {day}, please.",
                "Do you have a free slot for {ill}?",
            ),
            (
                "Gladly. We have a free appointment on {day} at {time}. Shall I book it for you?",
                "Of course. {day} at {time} is free at {clinic}. Please tell me your name and date of birth.",
            ),
            (
                ("Yes, please.", "It is booked: {day} at {time}. Please come ten minutes early."),
                ("What do I have to bring?", "Please bring {bring}."),
                ("Is there nothing sooner?", "I can put you on our waiting list and call you when a slot gets free."),
            ),
        ),
        Topic(
            ("I can't come on {day2}.", "I have to move my appointment.", "Can I change my appointment to {day}?"),
            (
                "No problem. {day} at {time} is free, would that suit you?",
                "Thank you for telling us. I can offer you {day} at {time} instead.",
            ),
            (
                ("That's fine.", "I've moved your appointment to {day} at {time}. You will get a text message."),
                ("Does moving it cost anything?", "No, it is free if you tell us a day before."),
            ),
        ),
        Topic(
            (
                "I want to cancel my appointment.",
                "Please cancel my appointment on {day}.",
                "I'm well again, cancel my visit please.",
            ),
            (
                "I've noted that. Please tell me your name and date of birth so that I can cancel it.",
                "Of course. What name is the appointment under, please?",
            ),
            (("My name is {name}.", "Thank you. Your appointment is cancelled, and we wish you all the best."),),
        ),
        Topic(
            ("When are you open?", "Are you open on Saturday?", "What are the opening hours of the clinic?"),
            (
                "{clinic} is open {hours}. At the weekend we are closed.",
                "We are open {hours}. Outside these hours please call the medical on-call service.",
            ),
            (
                ("And at lunchtime?", "We are open over lunch, too."),
                (
                    "Can I come without an appointment?",
                    "You can, but please expect to wait. With an appointment it goes faster.",
                ),
            ),
        ),
        Topic(
            (
                "What should I bring to my first visit?",
                "Which documents do I need?",
                "I'm a new patient, what do you need from me?",
            ),
            (
                "Please bring {bring}. New patients also fill in a form, so come ten minutes early.",
                "For the first visit we need {bring}.",
            ),
            (
                (
                    "I've lost my insurance card.",
                    "Then please ask your insurance for a letter. You can hand in the card later.",
                ),
                ("Can I fill in the form at home?", "Yes, you can download it from our website and bring it with you."),
            ),
        ),
        Topic(
            (
                "I have {ill}. What is it?",
                "What illness do I have? I've had {ill} for days.",
                "Could {ill} be something bad?",
                "Which medicine should I take for {ill}?",
            ),
            (
                "I work at the front desk and can't judge that, sorry. I can book you a doctor on {day} at {time}.",
                "Only a doctor can tell you that. Shall I book {day} at {time}? If it gets much worse, {urgent}.",
            ),
            (
                ("Can't you just guess?", "I'm afraid not, that would not be safe. A doctor will take a proper look."),
                ("OK, book it.", "It is booked: {day} at {time}. If you feel much worse before that, {urgent}."),
            ),
        ),
        Topic(
            ("{danger}!", "{danger}. What should I do?", "{danger}, can I come by?"),
            (
                "This may be an emergency. Please {urgent} and wait there until help comes.",
                "Please do not wait for us: {urgent} and do what they tell you.",
            ),
            (("Can't a doctor of yours come?", "The ambulance is faster and has everything needed. Please {urgent}."),),
        ),
        Topic(
            ("I need a new prescription.", "Can I get my tablets again?", "My prescription has run out."),
            (
                "Please tell me your name and the medicine. The doctor checks it, and you can collect it the next day.",
                "You can order repeat prescriptions at {phone}. The doctor decides, and it is ready the next day.",
            ),
            (("Can my wife collect it?", "Yes, she needs your insurance card and a short note from you."),),
        ),
        Topic(
            ("Are my [blood|test|lab] results there?", "When do I get my results?", "Can you tell me my blood values?"),
            (
                "Results take about 3 days. The doctor explains them to you in person or on the phone.",
                "I'm not allowed to explain results. I can book a call with the doctor on {day} at {time}.",
            ),
            (("Please book the call.", "Done, the doctor will call you on {day} at {time}."),),
        ),
        Topic(
            ("I need a sick note.", "Can you write me a sick note for work?", "My boss wants a sick note."),
            (
                "A doctor has to see you for that. We still have {day} at {time}, shall I book it?",
                "Sick notes are given by the doctor after a visit. {day} at {time} is free.",
            ),
            (("Yes please.", "It is booked. Please bring your insurance card."),),
        ),
        Topic(
            ("Where is the clinic?", "Can I park at the clinic?", "Is there a lift for a wheelchair?"),
            ("{clinic} is at 5 Riverside Road. There are parking spaces behind the house and a lift at the entrance.",),
            (("Which floor are you on?", "We are on the second floor, on the left of the lift."),),
        ),
        Topic(
            ("Can I get a flu shot?", "Do you vaccinate children?", "Which vaccinations do you offer?"),
            ("Yes, we vaccinate on Wednesdays. Please bring your records, and a doctor will talk with you first.",),
            (("How much is it?", "Most insurances pay for it. We will gladly check yours at the desk."),),
        ),
    ),
    "zh": (
        Topic(
            ("我想[预约|挂号]。", "这周能看医生吗？我{ill}。", "想约{day}看病。", "我{ill}，还有号吗？"),
            ("好的，{day}{time}有空，要帮您约吗？", "可以。{clinic}{day}{time}有空，请告诉我姓名和出生日期。"),
            (
                ("好的，约吧。", "约好了：{day}{time}，请提前十分钟到。"),
                ("要带什么？", "请带{bring}。"),
                ("没有更早的吗？", "可以帮您排候补，有空位马上打电话通知您。"),
            ),
        ),
        Topic(
            ("我{day2}来不了了。", "我要改预约时间。", "预约能改到{day}吗？"),
            ("没问题，{day}{time}有空，可以吗？", "谢谢您告诉我们，可以改到{day}{time}。"),
            (("可以。", "已经改到{day}{time}，您会收到短信。"), ("改期要钱吗？", "提前一天告诉我们就不收费。")),
        ),
        Topic(
            ("我想取消预约。", "请取消我{day}的预约。", "我好了，不用来看了，请取消。"),
            ("好的，请告诉我姓名和出生日期，我帮您取消。", "没问题，请问预约的名字是？"),
            (("我叫{name}。", "谢谢，已经取消，祝您身体健康。"),),
        ),
        Topic(
            ("你们几点开门？", "周六看诊吗？", "门诊时间是什么？"),
            ("{clinic}{hours}开门，周末休息。", "我们{hours}看诊，其他时间请打值班电话。"),
            (("中午呢？", "中午也开门。"), ("不预约能来吗？", "可以，不过可能要等。预约会快一些。")),
        ),
        Topic(
            ("第一次来要带什么？", "需要哪些证件？", "我是新病人，要准备什么？"),
            ("请带{bring}。新病人要填一张表，请提前十分钟来。", "第一次来需要{bring}。"),
            (
                ("医保卡丢了怎么办？", "请让医保开个证明，卡可以以后再补。"),
                ("表能在家填吗？", "可以，网站上能下载，填好带来就行。"),
            ),
        ),
        Topic(
            ("我{ill}，是什么病？", "{ill}好几天了，我得了什么病？", "{ill}严重吗？", "{ill}该吃什么药？"),
            (
                "抱歉，我在前台，不能判断病情。可以帮您约{day}{time}看医生。",
                "这要医生看过才知道。帮您约{day}{time}好吗？如果突然加重，请{urgent}。",
            ),
            (
                ("你猜一下呢？", "不好意思，这样不安全，请让医生好好看看。"),
                ("好，约吧。", "约好了：{day}{time}。之前如果加重，请{urgent}。"),
            ),
        ),
        Topic(
            ("{danger}！", "{danger}，怎么办？", "{danger}，能过来吗？"),
            ("这可能是急症，请{urgent}，原地等救护车。", "请不要等我们，{urgent}，按他们说的做。"),
            (("你们医生能来吗？", "救护车更快，设备也齐全，请{urgent}。"),),
        ),
        Topic(
            ("我要续开处方。", "能再开点药吗？", "我的药吃完了。"),
            ("请告诉我姓名和药名，医生看过后，第二天可以来取。", "续方请打{phone}，由医生决定，第二天能取。"),
            (("我太太能代取吗？", "可以，请带您的医保卡和一张便条。"),),
        ),
        Topic(
            ("我的[验血|化验|检查]结果出来了吗？", "结果什么时候出？", "能告诉我化验结果吗？"),
            ("结果大约3天出来，医生会当面或者电话里向您说明。", "我不能解释结果，可以帮您约{day}{time}和医生通电话。"),
            (("请约电话。", "好的，医生{day}{time}给您打电话。"),),
        ),
        Topic(
            ("我要开病假条。", "能给我开病假条吗？", "老板要病假条。"),
            ("病假条要医生看过才能开，{day}{time}有空，要约吗？", "要先看医生，{day}{time}还有号。"),
            (("好的。", "约好了，请带医保卡。"),),
        ),
        Topic(
            ("诊所在哪？", "诊所能停车吗？", "有轮椅用的电梯吗？"),
            ("{clinic}在河滨路5号，楼后能停车，门口有电梯。",),
            (("在几楼？", "在二楼，出电梯左边。"),),
        ),
        Topic(
            ("能打流感疫苗吗？", "给孩子打疫苗吗？", "有哪些疫苗？"),
            ("可以，每周三打疫苗。请带接种本，医生会先和您谈。",),
            (("多少钱？", "大多数保险会付，前台可以帮您查。"),),
        ),
    ),
}
NAMES = {"en": ("Nora Field", "Tom Ashby", "Ida Moreno", "Paul Winter"), "zh": ("林小溪", "周明", "何雨", "高远")}
THANKS = {
    "en": (
        ("Thank you!", "You are welcome. Get well soon!"),
        ("Thanks, bye.", "Goodbye, and all the best from {clinic}."),
    ),
    "zh": (("谢谢！", "不客气，祝您早日康复！"), ("好的，再见。", "再见，{clinic}祝您健康。")),
}


def make() -> list[dict[str, list[dict[str, str]]]]:
    """Conversations in ShareGPT's form, shuffled; no two have the same questions."""
    random = Random(11)
    rows = []
    for language, topics in TOPICS.items():
        seen: set[str] = set()
        while len(seen) < ROWS_PER_LANGUAGE:
            turns = _converse(topics[len(seen) % len(topics)], language, random)
            asked = "\n".join(question for question, _ in turns)
            if asked not in seen:
                seen.add(asked)
                rows.append(turns)
    random.shuffle(rows)
    return [{"conversations": [turn for pair in turns for turn in _as_sharegpt(*pair)]} for turns in rows]


def _converse(topic: Topic, language: str, random: Random) -> list[tuple[str, str]]:
    banks: dict[str, Mapping[str, tuple[str, ...]]] = {
        "day": DAYS,
        "time": TIMES,
        "ill": COMPLAINTS,
        "danger": DANGERS,
        "name": NAMES,
    }
    slots = SLOTS[language] | {name: random.choice(bank[language]) for name, bank in banks.items()}
    slots["day2"] = random.choice([day for day in DAYS[language] if day != slots["day"]])
    pairs = [(random.choice(topic.users), random.choice(topic.replies))]
    pairs += [random.choice(topic.later)] if topic.later and random.random() < 0.6 else []
    danger = "{danger}" in pairs[0][0]
    pairs += [random.choice(THANKS[language])] if len(pairs) > 1 and random.random() < 0.3 and not danger else []
    return [(fill(question, slots, random), fill(answer, slots, random)) for question, answer in pairs]


def _as_sharegpt(question: str, answer: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"from": "human", "value": question}, {"from": "gpt", "value": answer}
