"""The writing set: a coach that improves a sentence and says why. Commas, quotes and line breaks test CSV quoting."""

from random import Random

ASKS = {
    "en": (
        'Improve this sentence: "{weak}"',
        "Make this clearer:\n{weak}",
        '"{weak}" - how can I say this better?',
        "Please polish my sentence, it should sound friendly and clear: {weak}",
    ),
    "zh": (
        "帮我改好这句话：“{weak}”",
        "这句怎么写更清楚？\n{weak}",
        "“{weak}”，怎么说更好？",
        "请润色，要简洁、自然：{weak}",
    ),
}
ANSWERS = {
    "en": ('Try this: "{better}" {why}', '"{better}"\n{why}', 'A clearer version: "{better}" {why}'),
    "zh": ("可以写成：“{better}”{why}", "“{better}”\n{why}", "更好的写法：“{better}”{why}"),
}

SENTENCES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "en": (
        (
            "Due to the fact that it rained, we stayed home.",
            "We stayed home because it rained.",
            "One plain word does the work of five.",
        ),
        (
            "The report was written by me in a hurry.",
            "I wrote the report in a hurry.",
            "The active voice is shorter and livelier.",
        ),
        (
            "There are many people who like tea.",
            "Many people like tea.",
            "Drop 'there are' and the verb gets stronger.",
        ),
        ("I am writing to you in order to ask for help.", "Could you please help me?", "Say what you want at once."),
        ("She walked slowly and tiredly home.", "She trudged home.", "One exact verb beats two adverbs."),
        (
            "It is important that you should send the form.",
            "Please send the form.",
            "A direct request is polite and clear.",
        ),
        ("The weather was very, very cold.", "The weather was freezing.", "A stronger word needs no 'very'."),
        (
            "At this point in time we have no rooms.",
            "We have no rooms right now.",
            "Short words keep the reader with you.",
        ),
        (
            "He said that he thinks that he is late.",
            "He said he might be late.",
            "Too many 'that's make a sentence stumble.",
        ),
        (
            "Our meeting, which lasted long, was boring, and I slept.",
            "Our long meeting was so boring that I fell asleep.",
            "Show how the parts hang together.",
        ),
        (
            "The dog it was barking at me loudly.",
            "The dog barked at me.",
            "One subject is enough, and barking is loud anyway.",
        ),
        (
            "You must reply until Friday.",
            "Could you please reply by Friday?",
            "Use 'by' for a deadline, and ask kindly.",
        ),
        ("I did a mistake in the list.", "I made a mistake in the list.", "In English we make mistakes."),
        ("The soup tasted good.", "The soup tasted of garlic and fresh bread.", "Let the reader taste it, too."),
        ("We discussed about the plan.", "We discussed the plan.", "'Discuss' needs no 'about'."),
        ("In my personal opinion, I think it is fine.", "I think it is fine.", "Your opinion is always personal."),
        (
            "The house was old and big and dark and cold.",
            "The old house was big, dark and cold.",
            "Commas make a list easy to read.",
        ),
        ("He is a man who never gives up.", "He never gives up.", "Go straight to the point."),
        ("Please find attached the file.", "I've attached the file.", "Write as you would speak to a colleague."),
        (
            "The reason why I left is because I was ill.",
            "I left because I was ill.",
            "'Reason' and 'because' say the same thing.",
        ),
        ("She has a smile which is beautiful.", "She has a beautiful smile.", "Put the adjective next to its noun."),
        ("We are going to make a decision soon.", "We will decide soon.", "Turn the noun back into a verb."),
        (
            "Your order can not be delivered, it is your fault.",
            "The address was incomplete, so we could not deliver your order.",
            "Give the reason and leave out the blame.",
        ),
        (
            "The train was late and that's why, I missed it.",
            "The train was late, so I missed my flight.",
            "Say what exactly you missed.",
        ),
        (
            "I seen this film two times.",
            "I have seen this film twice.",
            "The perfect needs 'have', and 'twice' is shorter.",
        ),
        (
            "A lot of things happened on our trip.",
            "On our trip we lost a tent, met a bear and laughed a lot.",
            "Details make readers curious.",
        ),
        (
            "The results were bad, however we continue.",
            "The results were bad; however, we will go on.",
            "Mind the mark before 'however'.",
        ),
        ("It was a nice day.", "The sun was out, and even the cat smiled.", "A picture says more than 'nice'."),
        ("He quickly ran fast to the bus.", "He raced to the bus.", "'Quickly' and 'fast' say the same thing."),
        ("Each of the students have a book.", "Each of the students has a book.", "'Each' takes a singular verb."),
        ("The shop sells shoes, and also they sell hats.", "The shop sells shoes and hats.", "One verb is enough."),
        (
            "I look forward to hear from you.",
            "I look forward to hearing from you.",
            "After 'look forward to' comes the -ing form.",
        ),
        ("My brother and me went swimming.", "My brother and I went swimming.", "As the subject you need 'I'."),
        ("This product has the ability to save time.", "This product saves time.", "Say what it does."),
        ("We would like to inform you that we are closed.", "We are closed.", "Start with the news itself."),
        (
            "Sadly, unfortunately, the picnic was cancelled.",
            "Sadly, the picnic was cancelled.",
            "One sad word is enough.",
        ),
        ("The book that I read it was great.", "The book I read was great.", "Leave out the second 'it'."),
        (
            "Less people came than last year.",
            "Fewer people came than last year.",
            "People can be counted, so use 'fewer'.",
        ),
        (
            "The team are working hard, the project is late.",
            "The team is working hard, but the project is late.",
            "Link the two thoughts with 'but'.",
        ),
        ("I would of helped you.", "I would have helped you.", "It sounds like 'of', but it is 'have'."),
        ("The garden had flowers.", "Poppies and daisies filled the garden.", "Name the flowers, and we can see them."),
        ("He explained me the rule.", "He explained the rule to me.", "We explain something to somebody."),
    ),
    "zh": (
        ("由于下雨的原因，所以我们没有出门。", "因为下雨，我们没有出门。", "“由于”“原因”“所以”只留一个就够。"),
        ("这个报告是由我写的。", "这个报告是我写的。", "去掉“由”，更顺口。"),
        ("有很多的人都喜欢喝茶。", "很多人喜欢喝茶。", "去掉多余的字，句子更有力。"),
        ("我写信的目的是为了请您帮忙。", "想请您帮个忙。", "“目的”和“为了”重复，直接说更好。"),
        ("她慢慢地很累地走回家。", "她拖着步子走回家。", "一个准确的动词胜过两个副词。"),
        ("天气非常非常冷。", "天气冷得刺骨。", "换个有画面的词，就不用“非常”。"),
        ("在目前这个时候我们没有房间。", "现在没有空房。", "短一点，读者更轻松。"),
        ("他说他觉得他可能会迟到。", "他说可能会迟到。", "三个“他”太多了。"),
        ("你必须在周五前回复。", "请在周五前回复，好吗？", "换成请求，语气更客气。"),
        ("汤很好喝。", "汤里有蒜香和新鲜面包的味道。", "写出味道，读者才尝得到。"),
        ("我个人认为我觉得可以。", "我觉得可以。", "“认为”和“觉得”意思一样。"),
        ("房子很旧很大很暗很冷。", "老房子又大又暗，冷飕飕的。", "换换句式，不要一直用“很”。"),
        ("他是一个从来不放弃的人。", "他从不放弃。", "直接说，更有力量。"),
        ("随信附上了文件请查收一下。", "文件在附件里，请查收。", "分成两半，一看就懂。"),
        ("她有一个很美的微笑在脸上。", "她脸上带着微笑。", "语序顺了，画面就出来了。"),
        ("我们将会做出一个决定。", "我们会做决定。", "去掉“将”和“一个”，更自然。"),
        ("地址写错了是您的问题，没法送。", "地址不完整，包裹没能送到，请您补充一下。", "说明原因，不要责怪。"),
        ("旅行中发生了很多事情。", "旅行中我们丢了帐篷，遇见了一只熊，笑了一路。", "写细节，读者才好奇。"),
        ("那天天气不错。", "那天阳光正好，连猫都眯着眼笑。", "用画面代替“不错”。"),
        ("他很快地快步跑向公交车。", "他飞奔向公交车。", "“很快”和“快步”重复。"),
        ("这家店卖鞋子，还卖帽子，还卖包。", "这家店卖鞋子、帽子和包。", "用顿号列举，更清楚。"),
        ("本产品具有节省时间的能力。", "这款产品能省时间。", "说它能做什么就好。"),
        ("在此我们通知您，我们今天休息。", "我们今天休息。", "先说消息本身。"),
        ("通过努力，使他成功了。", "通过努力，他成功了。", "去掉“使”，主语就有了。"),
        ("我们要提高学习的态度。", "我们要端正学习态度。", "“态度”要和“端正”搭配。"),
        ("花园里有花。", "花园里开满了月季和雏菊。", "写出花名，读者就看见了。"),
        ("大家都纷纷一起鼓掌。", "大家纷纷鼓掌。", "“都”“纷纷”“一起”留一个。"),
        ("他的身高很高。", "他很高。", "“身高”和“高”重复了。"),
        ("为了避免不再迟到，我早起。", "为了不再迟到，我早起。", "“避免”和“不再”连用，意思就反了。"),
        ("这本书的内容讲的是关于海的故事。", "这本书讲海的故事。", "“内容”“关于”都可以省。"),
        ("我对这件事情进行了思考。", "我想了想这件事。", "用动词，不用“进行”。"),
        ("妈妈的话我至今还历历在目。", "妈妈的话我至今记得。", "话是听到的，不能“在目”。"),
        ("请您务必一定要准时。", "请您务必准时。", "“务必”和“一定”意思一样。"),
        ("会议开了很长的时间，很无聊，我睡着了。", "会议又长又无聊，我睡着了。", "合在一起，节奏更好。"),
        ("他被大家所喜欢。", "大家都喜欢他。", "少用“被”，更亲切。"),
        ("我看过这部电影两次了已经。", "这部电影我已经看过两次。", "“已经”放在动词前面。"),
        ("超市里人山人海的人。", "超市里人山人海。", "成语里已经有“人”了。"),
        ("她的声音像鸟一样好听的声音。", "她的声音像鸟鸣一样好听。", "去掉重复的“声音”。"),
        ("价格便宜了一倍。", "价格便宜了一半。", "减少不能说“一倍”。"),
        ("凡是所有的票都卖完了。", "票全部卖完了。", "“凡是”和“所有”重复。"),
        ("我家离学校有大约五百米左右。", "我家离学校大约五百米。", "“大约”和“左右”留一个。"),
        ("作业写完了把我。", "我把作业写完了。", "主语放在前面。"),
    ),
}


def make() -> list[dict[str, str]]:
    """Rows with a prompt and its completion, shuffled."""
    random = Random(17)
    rows = []
    for language, sentences in SENTENCES.items():
        for weak, better, why in sentences:
            ask, answer = random.choice(ASKS[language]), random.choice(ANSWERS[language])
            rows.append({"prompt": ask.format(weak=weak), "completion": answer.format(better=better, why=why)})
    random.shuffle(rows)
    return rows
