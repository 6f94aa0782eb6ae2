"""Chinese addresses, without a model: a place that is known or follows a boundary, a road or estate, and a number.

A whole address is one span: 浙江省杭州市西湖区文三路 90 号东部软件园 1 号楼 203 室.
A city, a district or a road alone is none.
"""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.chinese_words import HAN, han_without
from yumen_plugins.anonymize.detectors.literals import trie
from yumen_plugins.anonymize.detectors.regions import COUNTY_CITIES, PREFECTURES, PROVINCES, TRADITIONAL

# Characters of ordinary sentences; where one stands, no address goes on.
BODY = han_without("的了是在我你您他她它们這这说說没請请吗呢吧把被給给让讓跟但到去寄送搬至用吃想做与與及位号號址住")
INSIDE = rf"(?:{BODY}|[0-9A-Za-z]|[ ](?=[{HAN}0-9]))"
NUMERALS = "一二三四五六七八九十百零〇"
NUMBER = (
    rf"(?:[甲乙丙丁]?[0-9]{{1,5}}[A-Za-z]?(?:[-~之][0-9]{{1,5}})?|[甲乙丙丁]?[{NUMERALS}]{{1,5}}|"
    rf"[A-Za-z][0-9]{{0,4}}(?:-[0-9]{{1,4}})?)"
)
# What a road's name ends in. The characters before some of them make them other words: 渠道, 线路, 这里.
ROAD = (
    r"(?:(?<![渠频頻通管轨赛跑知味报報车軌航隧])道|(?<!高速公)(?<!速)(?<![线線电網网思回铁鐵走迷半])路|(?<![逛上])街|"
    r"(?<![这那哪心家屋城手夜店這裡])里|"
    rf"巷|弄|胡同|坊|(?<=[{NUMERALS}])条|(?<=[东西南北中{NUMERALS}])段|村|庄|莊|横|埭|浜|环岛)"
    rf"(?:[东西南北中東][{NUMERALS}]?段?|[{NUMERALS}]段)?"
)
# A road and the number on it; behind 号 stand things that have numbers and are no houses.
STREET = (
    rf"{ROAD}[ ]?{NUMBER}[ ]?"
    r"(?:[号號](?![线線门口桌厅庫库机機位文令公令码碼车車出])|弄|巷(?=[0-9 ]|$)|组(?!件|合|织)|队(?!列|友)|#|支弄)"
)
ESTATE_WORDS = (
    "小区|花园|公寓|大厦|广场|家园|新村|新城|苑|园|城|大楼|宿舍|雅居|名邸|豪庭|中心|山庄|别墅|公馆|庭|府|湾|郡|居|轩|"
    "社區|花園|大廈|廣場|大樓|社区|学院|大学|医院|科技园|产业园|工业园|里|院|村|座|塔"
)
UNIT_WORDS = "号楼|號樓|栋|棟|幢|座|单元|單元|楼|樓|层|層|室|房|户|期|区|號|号院|号|组团|组|院|门|库|铺|商位|店铺"
ESTATE = rf"(?:{ESTATE_WORDS})[ ]?(?:[东西南北][ ]?)?{NUMBER}[ ]?(?:号楼|號樓|栋|棟|幢|座|单元|單元)"
UNITS = rf"{NUMBER}[ ]?(?:号楼|栋|棟|幢|座|号院)[ ]?{NUMBER}[ ]?(?:单元|單元|门|楼|层|樓|室)"
VILLAGE = rf"(?:镇|乡|鎮|鄉|街道)[ ]?{BODY}{{1,6}}(?<!农)村(?![民官委支里口头办干民长])"
CORE = rf"(?:{STREET}|{ESTATE}|{UNITS})"
# What may follow: more parts with numbers, a building's name, and a bare number of a room at the end.
PART = rf"(?>[ ,，]?[ ]?(?:{BODY}|[A-Za-z]){{0,10}}?{NUMBER}[ ]?(?:{UNIT_WORDS})(?![线線机機码碼口]))"
BUILDING = rf"(?>[ ]?(?:{BODY}|[A-Za-z0-9]){{1,10}}?(?:{ESTATE_WORDS}|商场|市场|写字楼|软件园|城))"
TAIL = (
    rf"(?:{PART}){{0,6}}+(?:{BUILDING}(?:{PART}){{0,4}}+)?+"
    r"(?:(?<=[元座栋幢楼层号區区府苑院园厦棟號])[ ]?[A-Za-z]?[0-9]{2,5}(?:-[0-9]{1,4})?(?![0-9年月日元个点:.])"
    r"[A-Za-z]?[室号房]?)?+"
)


ANCHOR = f"{trie([*PROVINCES, *PREFECTURES, *TRADITIONAL, *(f'{city}市' for city in COUNTY_CITIES)])}"
DIVISION = "省|市|区|區|县|縣|镇|鎮|乡|鄉|州|旗|街道|新区|开发区|村|屯"
# Where an address may begin when no known place begins it: not within a word, unless a verb or label ends there.
BOUNDARY = rf"(?:(?<![{HAN}0-9A-Za-z])|(?<=[在到住至于是寄址为從从去送往来来居籍，：]))"
LABELS = (
    "家庭住址|居住地址|居住地|现居住地|现住址|户籍地址|户籍所在地|户籍地|收货地址|收件地址|寄件地址|发货地址|"
    "通讯地址|通信地址|"
    "联系地址|注册地址|办公地址|公司地址|单位地址|送货地址|配送地址|邮寄地址|详细地址|家庭地址|经营场所|"
    "住所地|住所|住址|地址|"
    "收貨地址|聯絡地址|通訊地址|戶籍地址|寄送地址"
)
LABEL = rf"(?:{LABELS}|(?i:address|addr))[\"'\\\s]{{0,4}}[:：=为為是][\"'\\\s]{{0,4}}"
PATTERNS = (
    rf"{ANCHOR}[省市]?[ ]?{INSIDE}{{0,36}}?{CORE}{TAIL}",
    rf"{ANCHOR}[省市]?[ ]?{INSIDE}{{0,24}}?{VILLAGE}(?:{BODY}{{0,6}}[组队屯])?(?:{PART}){{0,3}}+",
    rf"{BOUNDARY}{BODY}{{1,10}}?(?:{DIVISION})[ ]?{INSIDE}{{0,30}}?{CORE}{TAIL}",
    rf"{BOUNDARY}{BODY}{{1,8}}?{CORE}{TAIL}",
    (
        rf"(?<!高速)(?<!高速公){BODY}{{2,3}}(?:路|街|大道|巷|弄|胡同)(?<!公路)(?<!铁路)(?<!线路)"
        rf"[东西南北中]?[ ]?{NUMBER}[ ]?[号號弄](?![线線门口楼桌文令])"
        rf"(?<!铁路.号){TAIL}"
    ),
    # Behind a label: up to the next sign, if it names a division and something smaller.
    (
        rf"{LABEL}(?P<value>(?:{BODY}{{2,12}}?(?:省|市|区|區|县|縣|镇|鎮|乡|鄉|自治区|州|旗)|{ANCHOR})"
        rf"(?:[{HAN}0-9A-Za-z#()（）-]|[ ](?=[{HAN}0-9A-Za-z])){{0,30}}?"
        r"(?:路|街|道|巷|弄|胡同|号|號|室|楼|樓|栋|幢|座|村|苑|园|園|厦|小区|广场|中心|大学|学院|医院|组|店|"
        r"公司|厂|期|院|城)"
        rf"(?:[{HAN}0-9A-Za-z#()（）-](?<![，])){{0,30}}+)"
    ),
)
# The numbers are left open here: that is cheaper, and few other things stand between a road and 号.
_ROADS = "(?:路|街|道|里|巷|弄|胡同|坊|条|段|村|庄|莊|横|埭|浜|环岛|东|西|南|北|中|東)"
_HAN_NUMBER = "(?:甲|乙|丙|丁|一|二|三|四|五|六|七|八|九|十|百|零|〇)"
_HOUSES = "(?:号|號|弄|巷|组|队|#|支弄)"
_BLOCKS = "(?:号楼|號樓|栋|棟|幢|号院|单元|單元)"
_CORE = (
    rf"{_ROADS}[ 0-9A-Za-z~-]+{_HOUSES}|{_ROADS}[0-9]+之[0-9]+ ?{_HOUSES}|(?:甲|乙|丙|丁)[0-9]"
    rf"|{_HAN_NUMBER} ?(?:{_HOUSES}|{_BLOCKS})|[0-9A-Za-z] ?(?:{_BLOCKS}|座)"
)
PREFILTERS = (
    _CORE,
    r"(?:镇|乡|鎮|鄉|街道)[^\x00-\x7f]+村|(?:镇|乡|鎮|鄉|街道) [^\x00-\x7f]+村",
    _CORE,
    _CORE,
    _CORE,
    r"(?:居住地|户籍地|所在地|场所|住所|址|[aA][dD][dD][rR](?:[eE][sS][sS])?)[\"'\\\s]*(?:[:=]|：|为|為|是)[\"'\\\s]*[^\x00-\x7f]",
)
CHINESE_ADDRESS = Detector(
    id="cn.address",
    description="street address in Chinese",
    patterns=PATTERNS,
    prefilter=PREFILTERS,
    score=0.85,
    canonical=lambda value: value.replace(" ", "").lower(),
    span_max=200,
    examples=(
        "寄到北京市朝阳区建国路88号SOHO现代城A座1203室，谢谢",
        "收货地址：浙江省杭州市西湖区文三路 90 号东部软件园 1 号楼 203",
        "我住在上海市浦东新区世纪大道100弄5号楼202室。",
        "家在人民路十二号",
        "阳光花园3栋2单元501室",
        "老家是湖南省长沙县黄花镇黄花村3组",
        "臺北市信義區信義路五段7號",
        '{"地址":"广东省深圳市南山区科苑路15号科兴科学园B栋"}',
        "住址：四川省眉山市仁寿县文林镇中岗村",
    ),
    counterexamples=(
        "我在北京工作",
        "浙江省杭州市",
        "坐地铁2号线到人民广场站",
        "地址：北京市",
        "IP地址：192.168.1.1",
        "走了3公里，12号到",
        "渠道3号方案",
        "第88号文件",
        "2026年3月12号上午",
        "高速公路12号",
    ),
)
