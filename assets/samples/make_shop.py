"""Larkmoor, the made-up outdoor shop: its facts and catalogue in both languages.

Everything a reply states about the shop comes from here, so that no two conversations can contradict each other.
"""

from dataclasses import dataclass

LANGUAGES = ("en", "zh")

FACTS: dict[str, dict[str, str]] = {
    "en": {
        "shop": "Larkmoor", "mail": "help@example.com", "phone": "555 0142", "where": "12 Mill Lane, Port Alder",
        "hours": "Monday to Saturday from 9 am to 7 pm", "std": "$5", "std_time": "2 to 4 working days",
        "exp": "$12", "free": "$60", "ret": "30 days", "refund": "5 working days", "war": "2 years", "fix": "$15",
        "fix_time": "10 working days", "wrap": "$4", "far": "$20", "far_time": "7 to 10 working days",
        "voucher": "$5", "club": "Trail Club", "code": "HELLO10", "cards": "$25, $50 and $100",
        "colours": "moss green, navy and rust red",
    },
    "zh": {
        "shop": "云雀岭", "mail": "help@example.com", "phone": "555 0142", "where": "柳港市磨坊路12号",
        "hours": "周一至周六早上9点到晚上7点", "std": "30元", "std_time": "2到4个工作日",
        "exp": "70元", "free": "400元", "ret": "30天", "refund": "5个工作日", "war": "2年", "fix": "100元",
        "fix_time": "10个工作日", "wrap": "25元", "far": "140元", "far_time": "7到10个工作日",
        "voucher": "30元", "club": "山径会员", "code": "HELLO10", "cards": "200元、400元和800元",
        "colours": "苔绿色、藏青色和砖红色",
    },
}  # fmt: skip

COLOURS = {"en": ("moss green", "navy", "rust red"), "zh": ("苔绿色", "藏青色", "砖红色")}
SIZES = ("XS", "S", "M", "L", "XL", "XXL")
SHOE_SIZES = tuple(str(size) for size in range(37, 47))
FREE_FROM = {"en": 60, "zh": 400}


@dataclass(frozen=True)
class Product:
    """One article. `kind` is gear, garment or shoes; only garments and shoes have sizes, and only garments colours.

    `need` and `reason` are the two halves of a piece of advice: when a customer wants it, and why it fits.
    """

    names: dict[str, str]
    prices: dict[str, int]
    kind: str
    stock: str
    plural: bool
    need: dict[str, tuple[str, ...]]
    reason: dict[str, str]


def _product(
    en: str, zh: str, usd: int, cny: int, kind: str, stock: str,
    need_en: tuple[str, ...], reason_en: str, need_zh: tuple[str, ...], reason_zh: str,
) -> Product:  # fmt: skip
    plural = en.endswith("s")
    need, reason = {"en": need_en, "zh": need_zh}, {"en": reason_en, "zh": reason_zh}
    return Product({"en": en, "zh": zh}, {"en": usd, "zh": cny}, kind, stock, plural, need, reason)


PRODUCTS: tuple[Product, ...] = (
    _product("Fern tent", "蕨叶双人帐篷", 189, 1290, "gear", "in",
             ("for two people camping in summer", "for my first camping trip with my girlfriend"),
             "it sleeps two and stands in five minutes",
             ("两个人夏天露营用的", "和女朋友第一次露营用的"), "能睡两个人，五分钟就能搭好"),
    _product("Oak tent", "橡树四人帐篷", 279, 1890, "gear", "low",
             ("for a family of four that goes camping", "big enough for us and two kids"),
             "it sleeps four and has two rooms",
             ("一家四口露营用的", "够我们带两个孩子住的帐篷"), "能睡四个人，里面分两间"),
    _product("Heron backpack", "苍鹭背包", 85, 580, "gear", "in",
             ("to carry for a three-day hike", "for a long weekend in the mountains"),
             "it holds 30 litres and sits lightly on the hips",
             ("徒步三天背的", "周末进山两三天用的"), "容量30升，背着很轻松"),
    _product("Robin daypack", "知更鸟小背包", 45, 310, "gear", "in",
             ("for short day trips", "small for a walk and a lunch box"),
             "it holds 18 litres and weighs very little",
             ("一日游背的", "短途散步带点东西用的"), "容量18升，非常轻"),
    _product("Dormouse sleeping bag", "睡鼠羽绒睡袋", 119, 820, "gear", "in",
             ("to keep me warm on cold nights", "for sleeping outside in late autumn"),
             "it is filled with down and keeps you warm to minus 5 degrees",
             ("晚上很冷时睡觉用的", "深秋在外面过夜用的"), "填充羽绒，零下5度也暖和"),
    _product("Hedgehog sleeping bag", "刺猬夏季睡袋", 65, 450, "gear", "out",
             ("light to sleep in on warm nights", "for my son's summer camp, for sleeping"),
             "it is light, thin and made for summer nights",
             ("夏天晚上睡觉用的", "孩子参加夏令营睡觉用的"), "又轻又薄，专为夏夜设计"),
    _product("Moss sleeping mat", "青苔睡垫", 49, 340, "gear", "in",
             ("soft to lie on in a tent", "to sleep on, the ground is too hard for my back"),
             "it is five centimetres thick and rolls up small",
             ("在帐篷里垫着睡的", "垫在硬地面上睡的"), "厚5厘米，卷起来很小"),
    _product("Drizzle rain jacket", "细雨防雨外套", 95, 650, "garment", "in",
             ("against heavy rain", "to stay dry on wet hikes"),
             "it is fully waterproof and folds into its own pocket",
             ("下大雨时穿的", "雨天徒步穿的"), "完全防水，还能收进自己的口袋"),
    _product("Ember down jacket", "暖烬羽绒服", 139, 950, "garment", "in",
             ("really warm to wear in winter", "against the cold, to wear in the snow"),
             "it is filled with down and very warm",
             ("冬天穿的、特别保暖的", "下雪天穿的厚衣服"), "填充羽绒，非常暖和"),
    _product("Breeze windbreaker", "微风防风衣", 59, 400, "garment", "in",
             ("thin against the wind", "to wear on windy bike rides"),
             "it is thin and keeps out the wind",
             ("挡风的薄衣服", "风大时骑车穿的"), "轻薄又挡风"),
    _product("Clover fleece", "三叶草抓绒衣", 55, 380, "garment", "in",
             ("soft for cool evenings", "to wear under a jacket"),
             "it is soft, warm and dries quickly",
             ("傍晚凉的时候穿的", "穿在外套里面的"), "柔软保暖，干得也快"),
    _product("Thistle merino shirt", "蓟花羊毛衫", 48, 330, "garment", "low",
             ("that does not smell after a long day", "light to wear next to the skin"),
             "it is made of merino wool and stays fresh for days",
             ("穿一整天也没有汗味的衣服", "贴身穿的薄衣服"), "用的是美利奴羊毛，穿几天也清爽"),
    _product("Pebble hiking trousers", "卵石徒步裤", 69, 470, "garment", "in",
             ("for my legs, for hiking in any weather", "tough to wear on rocky paths"),
             "they stretch well and dry quickly",
             ("徒步穿的裤子", "走石头路耐磨的裤子"), "有弹性，干得也快"),
    _product("Ridge hiking boots", "山脊登山靴", 129, 890, "shoes", "in",
             ("for my feet, for steep mountain paths", "that supports my ankles"),
             "they support the ankle and keep water out",
             ("走陡山路穿的鞋", "能保护脚踝的鞋"), "能护住脚踝，而且防水"),
    _product("Creek trail shoes", "溪流越野鞋", 89, 610, "shoes", "out",
             ("for trail running", "light for my feet on forest paths"),
             "they are light and grip well on wet ground",
             ("越野跑穿的鞋", "走林间小路穿的轻便鞋"), "很轻，湿地上也不滑"),
    _product("Dune sandals", "沙丘凉鞋", 52, 360, "shoes", "in",
             ("for my feet on hot days", "to wear at the river"),
             "they are airy and may get wet",
             ("天热时穿的鞋", "在河边玩水穿的鞋"), "透气，也不怕水"),
    _product("Otter wool socks", "水獭羊毛袜", 14, 95, "garment", "in",
             ("against cold feet", "so that I get no blisters"),
             "they are soft, warm and help against blisters",
             ("脚容易冷的人用的", "防止脚起水泡的"), "柔软保暖，还能防水泡"),
    _product("Frost gloves", "霜花手套", 29, 200, "garment", "in",
             ("for cold hands", "to keep my fingers warm while skiing"),
             "they are warm and still let you use your phone",
             ("手冷时戴的", "滑雪时给手保暖的"), "保暖，还能操作手机"),
    _product("Wren sun hat", "鹪鹩遮阳帽", 24, 160, "garment", "in",
             ("against the sun", "to protect my face in summer"),
             "it has a wide brim and folds flat",
             ("防晒的", "夏天遮脸用的"), "帽檐宽，还能折平"),
    _product("Cinder camping stove", "炭星露营炉", 42, 290, "gear", "in",
             ("to cook on outdoors", "small to boil water on a hike"),
             "it is small and boils a litre of water in four minutes",
             ("在野外做饭用的", "徒步时烧水用的"), "小巧，四分钟烧开一升水"),
    _product("Tarn cook set", "山湖锅具套装", 38, 260, "gear", "in",
             ("with pots for two people", "to eat from and cook in when we camp"),
             "it has two pots, a pan and two cups",
             ("两个人露营用的锅具", "露营做饭吃饭的一套餐具"), "有两个锅、一个平底锅和两个杯子"),
    _product("Brook bottle", "小溪水壶", 19, 130, "gear", "in",
             ("to keep my tea hot", "for drinks on the way"),
             "it holds 0.7 litres and keeps tea hot for twelve hours",
             ("给热茶保温的", "路上喝水用的"), "容量0.7升，保温十二个小时"),
    _product("Firefly headlamp", "萤火虫头灯", 34, 230, "gear", "in",
             ("to see in the dark while I walk", "for running at night, to light the way"),
             "it is bright, light and lasts forty hours",
             ("走夜路照明的", "晚上跑步照明用的"), "很亮很轻，能用四十个小时"),
    _product("Glow lantern", "微光营地灯", 27, 180, "gear", "in",
             ("to light up the tent", "cosy to put on the camping table in the evening"),
             "it gives soft light and charges by USB",
             ("帐篷里照明用的", "晚上放在露营桌上的灯"), "光线柔和，可以USB充电"),
    _product("Heath trekking poles", "石楠登山杖", 58, 400, "gear", "low",
             ("to spare my knees downhill", "to lean on while hiking"),
             "they are light and spare your knees downhill",
             ("下山时保护膝盖的", "徒步时撑着走的"), "很轻，下山时保护膝盖"),
    _product("Willow first-aid kit", "柳叶急救包", 22, 150, "gear", "in",
             ("for small injuries on the way", "to treat cuts and blisters outdoors"),
             "it is small and has everything for cuts and blisters",
             ("路上处理小伤口的", "户外应急用的"), "小巧，处理伤口和水泡的用品都有"),
    _product("Finch multi-tool", "燕雀多功能钳", 36, 250, "gear", "in",
             ("to fix things on the way", "as a small present for a handy friend"),
             "it has twelve tools and fits into a pocket",
             ("路上修东西用的", "送给爱动手的朋友的小礼物"), "有十二种工具，口袋就能装下"),
)  # fmt: skip

COUNTRIES = {
    "en": ("Norway", "Portugal", "Japan", "Austria", "Canada", "Ireland", "Poland", "Chile", "Greece", "Finland"),
    "zh": ("挪威", "葡萄牙", "日本", "奥地利", "加拿大", "爱尔兰", "波兰", "智利", "希腊", "芬兰"),
}
NOT_SOLD = {
    "en": ("bicycles", "guitars", "coffee machines", "washing machines", "school books", "cat food", "garden chairs",
           "perfume", "laptops", "birthday cakes", "flight tickets", "car tyres", "wedding dresses", "toys", "paint",
           "mattresses", "phone contracts", "aquariums"),
    "zh": ("自行车", "吉他", "咖啡机", "洗衣机", "课本", "猫粮", "花园椅", "香水", "笔记本电脑", "生日蛋糕", "机票",
           "汽车轮胎", "婚纱", "玩具", "油漆", "床垫", "手机套餐", "鱼缸"),
}  # fmt: skip
STREETS = {
    "en": ("14 Station Road", "3 Orchard Street", "27 Harbour View", "8 Chapel Hill", "61 Birch Avenue"),
    "zh": ("车站路14号", "果园街3号", "海港路27号", "钟楼巷8号", "白桦大道61号"),
}
