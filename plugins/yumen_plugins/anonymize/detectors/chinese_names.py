"""Chinese names, without a model: a family name with a title behind it, or a label or verb before it.

Where an ordinary word begins like a name, what `chinese_words` knows of such words decides.
"""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.chinese_words import COMPOUND_SURNAMES, HAN, ORDINARY, SURNAMES, han_without

# Characters that hardly stand in a given name, and more of them where only a title behind says that it is one.
NO_GIVEN = "的了是在我你您他她它这那就都也不没與与及或给找问請请对對被把从從说說叫让吗呢吧啊哦呀哪怎么什"
NO_GIVEN_LOOSE = NO_GIVEN + (
    "和跟向到去要会能位个副总總正前原任现兼各某省市县縣区區镇乡村委部局处科院校所厂店班组长員员司社团厅馆站室系级名份学學业業务務"
)
GIVEN = han_without(NO_GIVEN)
GIVEN_LOOSE = han_without(NO_GIVEN_LOOSE)
# Such a character alone behind another family name begins the next name: 江苏王老师.
FREQUENT = "王李张刘陈赵吴周徐孙郑张劉陳趙吳孫鄭"
_COMPOUND = "|".join(COMPOUND_SURNAMES)
FULL = rf"(?:(?:{_COMPOUND}){GIVEN}{{1,2}}|[{SURNAMES}]{GIVEN}{{1,2}})"
FULL_LOOSE = (
    rf"(?:(?:{_COMPOUND}){GIVEN_LOOSE}{{1,2}}|[{SURNAMES}](?:{GIVEN_LOOSE}{{2}}|(?![{FREQUENT}]){GIVEN_LOOSE}))"
)
# What Uyghurs, Tibetans and foreigners write with a dot: 阿卜杜拉·买买提.
DOTTED = rf"[{HAN}]{{1,8}}(?:[·•‧・][{HAN}]{{1,8}}){{1,3}}"
UYGHUR = (
    "买买提|阿卜杜|艾合买提|吐尔逊|古丽|尼亚孜|艾力|阿不都|买合木提|热合曼|库尔班|努尔|玉素甫|伊明|卡迪尔|麦麦提|"
    "图尔荪|依明|肉孜|吾甫尔"
)
# Behind a name: no Chinese character, or a word that begins what comes next.
END = (
    rf"(?=[^{HAN}]|$|电话|電話|手机|手機|身份证|身份證|证件|性别|性別|年龄|出生|民族|住址|地址|邮箱|微信|账号|"
    rf"帳號|卡号|先生|女士|小姐|老师|同学|"
    r"[的在于於与與和及因说說想要请請吗啊吧呀男女系将將向从從被未为為已]|今年|现年|現年|来自|來自|来电|已经|"
    r"已於|同志|住(?![宅院])|签[字名收]|负责|負責|"
    r"你好|您好|就是|也是|是[一个否]|先前|反映|申请|咨询|投诉|提交|预约|预订|购买|订购|昨天|今天|明天|上周|本人|全体)"
)
TITLES = (
    "先生|女士|小姐|太太|夫人|老师|老師|医生|醫生|大夫|教授|博士|院士|总经理|總經理|副总经理|经理|經理|主任|"
    "总监|總監|董事长|董事長|"
    "总裁|總裁|同学|同學|同志|师傅|師傅|律师|律師|法官|警官|护士|護士|主管|主席|书记|書記|部长|局长|处长|科长|"
    "院长|校长|所长|厂长|店长|"
    "班长|队长|会计|工程师|工程師|阿姨|叔叔|大爷|大妈|奶奶|爷爷|大哥|大姐|老板|老闆|导师|医师|醫師|药师|技师|"
    "教练|教練|检察官|审判员|"
    "市长|县长|镇长|村长|省长|总理|副教授|副主任|副经理|副总|副院长|副校长|副局长|讲师|研究员|小朋友|董事"
)
# The same, shorter: what they all end in, or hold at least.
_TITLE_ENDS = (
    "先生|女士|小姐|太太|夫人|老师|老師|医生|醫生|大夫|教授|博士|院士|经理|經理|主任|总监|總監|事长|事長|总裁|"
    "總裁|同学|同學|同志|师傅|師傅|律师|律師|法官|警官|护士|"
    "護士|主管|主席|书记|書記|部长|局长|处长|科长|院长|校长|所长|厂长|店长|班长|队长|会计|程师|程師|阿姨|叔叔|"
    "大爷|大妈|奶奶|爷爷|大哥|大姐|老板|老闆|导师|医师|醫師|"
    "药师|技师|教练|教練|察官|判员|市长|县长|镇长|村长|省长|总理|副总|讲师|究员|朋友|董事"
)
# Short titles begin other words: 总结, 工作.
SHORT_TITLES = (
    r"[总總](?![是结結共额額体體数數部监監裁会會之算量计計和有分要需价價能想得经經成归歸站线行装机店])|"
    r"董(?![事])|工(?![作程资資具人业業厂廠地会會艺藝商序夫龄時时期伤件单号学種种信于笔整匠读薪])|"
    r"[哥姐叔姨](?![哥伦姐妹夫叔])"
)
# What may stand right before a family name that has nothing but a title behind it; any other character is part of a word.
BEFORE_TITLE = (
    "小老和给給找问問叫请請跟与與是的有让讓为為及但被把见見好告烦煩户戶们們说說听聽按经替代约約访訪到由向"
    "了系谢謝询詢复回联部门司院班组任主者客东居员機机店队校科室处厅局家位名"
)
# Family names that are too often part of another word: with a title alone, after a Chinese character, and anywhere.
PART_OF_WORD = "付景满白古万成易简欧盖农安路楼池宫左常宣明卫修尚贝党庄冷席边金石"
OTHER_WORD = "向连管解查单施包项时车从"
SINGLE = (
    rf"(?:(?:{_COMPOUND})|(?:(?<![{HAN}])|(?<=[{BEFORE_TITLE}])(?![{PART_OF_WORD}]))(?![{OTHER_WORD}])(?<!对)"
    rf"(?<!官)(?<!双)[{SURNAMES}]"
    r"(?<![谢感多答致酬鸣拜道]谢)(?<![由关于对属位等至]于)(?<![为任如]何)(?<![有相]关)(?<!也许)(?<!分钟)"
    r"(?<!主任)(?<!工程))"
)
SURE_LABELS = (
    "姓名|联系人|聯絡人|收件人|收货人|收貨人|寄件人|发件人|发货人|经办人|經辦人|患者姓名|客户姓名|负责人|"
    "負責人|申请人|申請人|法定代表人|法人代表|法人|"
    "户名|开户名|开户人|持卡人|付款人|收款人|投保人|被保险人|受益人|委托人|受托人|出租人|出租方|承租人|承租方|"
    "借款人|出借人|担保人|当事人|证人|监护人|"
    "家长|学生姓名|员工姓名|员工|学生|患者|病人|客户|客戶|会员|业主|住户|乘客|乘机人|入住人|预订人|预约人|"
    "司机|医师|主治医师|主治医生|护士|签字人|签名|签字|签署人|署名|落款|"
    "作者|记者|编辑|审核人|审批人|审核|制表人|制单|复核|填表人|填报人|报告人|汇报人|发言人|主持人|记录人|"
    "参会人|参会人员|与会人员|出席人员|出席|成员|名单|组长|候选人|应聘者|推荐人|"
    "紧急联系人|联系人姓名|甲方|乙方|丙方|原告|被告|被告人|嫌疑人|被害人|上诉人|被上诉人|申请执行人|被执行人|"
    "代理人|委托代理人|父亲|母亲|配偶|丈夫|妻子|儿子|女儿|"
    "用户名|用户|昵称|账户名|真实姓名|曾用名|名字|称呼|收|寄|致|主讲人|讲师|班主任|销售|客服|对接人|接口人|"
    "项目经理|产品经理|负责同事|值班人|值班人员|经手人|程序员|人|者|员"
)
_SEPARATOR = r"[\"'\\ \t]{0,4}[:=：][\"'\\ \t（(]{0,4}"
# Without a sign between: these stand right before names in sentences.
DIRECT = (
    "姓名是|姓名为|联系人是|联系人为|收件人是|负责人是|负责人为|经办人是|申请人是|法定代表人为|法定代表人是|"
    "法人是|患者是|客户是|作者是|作者为|户名是|户名为|"
    "我叫|我是|本人|名叫|叫做|名字是|姓名|联系人|收件人|收货人|寄件人|经办人|负责人|患者|病人|客户|业主|会员|"
    "原告|被告人|被告|嫌疑人|被害人|被上诉人|上诉人|"
    "申请人|被申请人|法定代表人|委托代理人|当事人|证人|员工|同事|同学|朋友|学生|家长|乘客|司机|医师|记者|作者|"
    "户名|持卡人|投保人|被保险人|受益人|"
    "先生是|老师是|经理是|组长是|主任是|医生是|老公|老婆|丈夫|妻子|儿子|女儿|父亲|母亲|男友|女友|室友|邻居|"
    "老板|导师|发给|转给|寄给|交给|打给|转账给|联系|约了|通知|抄送|找"
)
GUARDED = "(?<=[我他她人字生名子孩友事客])叫"
WEAKER_END = (
    rf"(?=[^{HAN}]|$|[的在于於与與因男女诉]|性别|性別|年龄|出生|民族|电话|手机|身份证|今年|现年|来自|先生|女士|"
    rf"负责|签[字名收]|反映|来电|申请|您好|你好|提交|投诉)"
)
LISTS = (
    "参会人员|参会人|与会人员|出席人员|出席|成员|名单|组员|收件人|抄送|联系人|候选人|负责人|股东|被告|原告|参与人|"
    "人员|获奖者|嘉宾"
)
MOBILE = r"(?:(?:\+|00)?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9])"
KEYS = (
    r"(?<![A-Za-z])(?=[A-Za-z][A-Za-z_ .-]{2,44}+[\"'\\]{0,2}[ ]?[:=：])"
    r"(?i:(?:[a-z]{2,15}[_ .-]?){0,2}(?:name|contact|customer|patient|recipient|sender|owner|author|"
    r"user|cardholder|payee|payer|applicant|consignee|employee|student))"
)
PATTERNS = (
    # With a title behind: a full name, or a family name alone.
    re.compile(rf"(?P<value>{FULL_LOOSE})(?=(?:{TITLES})(?![台]))"),
    re.compile(rf"(?P<value>{SINGLE})(?=副?(?:{TITLES}|{SHORT_TITLES})(?![台]))"),
    # Behind a label with a sign, a name may be written with a blank inside.
    re.compile(rf"(?:{SURE_LABELS}|{TITLES}){_SEPARATOR}(?P<value>{FULL}){END}"),
    re.compile(rf"(?:姓名|联系人|收件人|收货人){_SEPARATOR}(?P<value>[{SURNAMES}][ ]{{1,2}}{GIVEN})(?![{HAN}])"),
    re.compile(rf"(?:{SURE_LABELS}){_SEPARATOR}(?P<value>{DOTTED})"),
    re.compile(rf"(?:{DIRECT}|{GUARDED})[ ]?[“「\"]?(?P<value>{FULL}){WEAKER_END}"),
    re.compile(rf"由(?![于此衷来])(?P<value>{FULL})(?=负责|签|提交|申请)"),
    re.compile(rf"(?:{DIRECT}|姓名)(?P<value>{DOTTED})"),
    re.compile(rf"{KEYS}[\"'\\]{{0,2}}[ ]?[:=：][ ]?[\"'\\（(]{{0,3}}(?P<value>{FULL}|{DOTTED})(?![{HAN}])"),
    re.compile(rf"(?P<value>(?<![{HAN}])(?=[{HAN}·•‧・]{{0,8}}?(?:{UYGHUR}))[{HAN}]{{2,8}}[·•‧・][{HAN}]{{2,8}})"),
    # The other places where names stand: before a phone or a sex, in salutations and signatures.
    re.compile(
        rf"(?<![{HAN}])(?P<value>{FULL})[ ,，、(（:：/|\t-]{{1,3}}(?:(?:手机|电话|tel|TEL|Tel)"
        rf"号?[:： ]{{0,2}})?{MOBILE}"
    ),
    re.compile(rf"(?<![{HAN}])(?P<value>{FULL})[ ]?[,，、|/\t(（ ][ ]?[男女](?![{HAN}])"),
    re.compile(rf"(?:尊敬的|亲爱的|敬爱的|親愛的)(?P<value>{FULL})(?![{HAN}])"),
    re.compile(
        rf"(?:敬礼|祝好|商祺|此致|敬上|敬启|谢谢|顺颂时祺|——)[!！。，"
        rf",]?[ ]?\n{{1,2}}[ ]{{0,8}}(?P<value>{FULL})(?=[ ]?(?:$|\n|[0-9(（]))"
    ),
    re.compile(rf"@(?P<value>{FULL})(?![{HAN}])"),
    re.compile(rf"(?<![{HAN}])(?P<value>{FULL})(?=敬上|拜上|谨上|亲笔|（签[字章]|\(签[字章])"),
    *(
        re.compile(
            rf"(?:{LISTS})[:：是为有][ ]?(?:[{HAN}]{{2,4}}[、,， ]{{1,2}}){{{count}}}(?P<value>{FULL})"
            rf"(?![{HAN}](?<![等和及]))"
        )
        for count in range(1, 8)
    ),
)


def plausible(value: str) -> bool:
    """Whether it is no ordinary word, nor begins with one."""
    return value[:2] not in ORDINARY or value.startswith(COMPOUND_SURNAMES)


# Of a family name of two characters the second will do before a title.
_FIRST = f"(?:{'|'.join(sorted({*SURNAMES, *(one[1] for one in COMPOUND_SURNAMES)}))})"
_ENDS = "|".join(sorted({label[-2:] for label in SURE_LABELS.split("|")}))
PREFILTER = "|".join(
    (
        rf"{_FIRST}(?:[^\x00-\x7f]{{3}}){{0,2}}(?:{_TITLE_ENDS}|哥|姐|叔|姨|总|總|董|工)",
        rf"(?:{_ENDS}|{_TITLE_ENDS})[\"'\\ \t]*(?:[:=]|：)",
        # Without family names behind them, which would take hyperscan a second to compile.
        rf"{DIRECT}|(?:我|他|她|人|字|生|名|子|孩|友|事|客)叫|由[^\x00-\x7f]+(?:负责|签|提交|申请)",
        r"[a-zA-Z][\"'\\]* ?(?:[:=]|：) ?(?:[\"'\\(]|（)*[^\x00-\x7f]|@[^\x00-\x7f]|·|•|‧|・",
        r"[^\x00-\x7f](?:[ ,(:/|\t-]|tel|Tel|TEL){1,6}(?:\+?[0-9]{2,4}[- ]?)?1[3-9][0-9][- ]?[0-9]{4}",
        r"(?:，|、|（|：|手机|电话|号)[ :]?(?:\+?[0-9]{2,4}[- ]?)?1[3-9][0-9][- ]?[0-9]{4}",
        r"(?:[,|/\t( ]|，|、|（) ?(?:男|女)",
        r"尊敬的|亲爱的|敬爱的|親愛的|敬礼|祝好|商祺|此致|敬上|敬启|谢谢[^\x00-\x7f]*[,!]?[ ]?\n|顺颂时祺|——|"
        r"拜上|谨上|亲笔|签字|签章",
        rf"(?:{LISTS})(?::|：|是|为|有)",
    )
)
CHINESE_NAME = Detector(
    id="cn.name",
    description="name of a person in Chinese",
    patterns=PATTERNS,
    prefilter=PREFILTER,
    score=0.85,
    validate=plausible,
    canonical=lambda value: value.replace(" ", ""),
    span_max=64,
    examples=(
        "请联系张伟先生",
        "姓名：李娜，电话13812345678",
        "我叫王小明，今年25岁",
        '{"name": "欧阳修远", "age": 30}',
        "收件人 陈静 13812345678",
        "患者刘强因腹痛入院",
        "王总您好",
        "姓名：阿卜杜拉·买买提",
        "尊敬的赵敏：",
        "参会人员：张伟、李娜、王芳",
        "聯絡人：陳美玲",
    ),
    counterexamples=(
        "今天很高兴，谢谢老师",
        "王者荣耀",
        "请张开嘴",
        "白天何时方便",
        "方案经理和产品主任",
        "语文老师布置了作业",
        '{"name": "金融产品"}',
        '{"name": "高级"}',
        "关于老师的任何问题",
        "我是高中的",
        "对方经理来电",
    ),
)
