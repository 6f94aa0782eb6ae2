"""Chinese names, without a model: a family name with a title behind it, a label or verb before it, or a frequent name alone.

Where an ordinary word begins like a name, what `chinese_words` knows of such words decides.
"""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.chinese_words import (
    COMPOUND_SURNAMES,
    FREQUENT_SURNAMES,
    GIVEN_ONE,
    GIVEN_SURE,
    GIVEN_TWO,
    HAN,
    NO_NAMES,
    ORDINARY,
    SURNAMES,
    han_without,
)
from yumen_plugins.anonymize.detectors.literals import either, trie
from yumen_plugins.anonymize.sets import over_bytes

# Characters that hardly stand in a given name, and more of them where only a title behind says that it is one.
NO_GIVEN = "的了是在我你您他她它这那就都也不没與与及或给找问請请对對被把从從说說叫让吗呢吧啊哦呀哪怎么什"
NO_GIVEN_LOOSE = NO_GIVEN + (
    "氏姓和跟向到去要会能位个副总總正前原任现兼各某省市县縣区區镇乡村委部局处科院校所厂店班组长員员司社团厅馆站室系级名份学學业業务務"
)
GIVEN = han_without(NO_GIVEN)
GIVEN_LOOSE = han_without(NO_GIVEN_LOOSE)
# Such a character alone behind another family name begins the next name: 江苏王老师.
FREQUENT = "王李张刘陈赵吴周徐孙郑张劉陳趙吳孫鄭"
_COMPOUND = "|".join(COMPOUND_SURNAMES)
_SECONDS = "".join(dict.fromkeys(name[1] for name in COMPOUND_SURNAMES))
# A set comes first everywhere: `re` then looks for its characters alone.
FIRST = f"[{''.join(dict.fromkeys(SURNAMES + ''.join(name[0] for name in COMPOUND_SURNAMES)))}]"
# A second character of a given name that rather begins the next word.
_NO_SECOND = (
    r"(?!有[没空时无]|来[电访信办改函]|向[我你他她本原被公法对其出]|代[为為签理办收领]|联系|投[诉保]|因[为公病故与未涉不]|"
    r"于[0-9一二三四五六七八九十两本昨今明上下去当]|将[于在其会被]|主[诉持]|先后|申请|"
    rf"[和与與及][{FREQUENT_SURNAMES}])"
)
_GIVEN_NAME = rf"{GIVEN}(?:{_NO_SECOND}{GIVEN})?"
FULL = rf"(?:{FIRST}(?:[{_SECONDS}](?<={_COMPOUND}){_GIVEN_NAME}|(?<=[{SURNAMES}]){_GIVEN_NAME}))"
# What may stand right before a family name that has nothing but a title behind it; any other character is part of a word.
BEFORE_TITLE = (
    "小老和给給找问問叫请請跟与與是的有让讓为為及但被把见見好告烦煩户戶们們说說听聽按经替代约約访訪到由向"
    "了系谢謝询詢复回联部门司院班组任主者客东居员機机店队校科室处厅局家位名"
)
# Family names that end other words too often, where a title alone says that there is a name.
RISKY = "任于司关代高向曾万解付华钱安"
_AFTER_OTHER = (
    r"(?<![由关对属位等至在基善处介]于)(?<![0-9十百千几数.]万)(?<![谢感多答致酬鸣拜道]谢)(?<![为任如]何)(?<![有相]关)(?<!主[任管])"
    r"(?<!工程)(?<!也许)(?<!或许)(?<![信责委]任)(?<!一项)(?<!分钟)"
)
FULL_LOOSE = (
    rf"{FIRST}(?:(?<![{RISKY}])|(?<![{HAN}].)|(?<=[{BEFORE_TITLE}].)){_AFTER_OTHER}(?:[{_SECONDS}](?<={_COMPOUND}){GIVEN_LOOSE}{{1,2}}|"
    rf"(?<=[{SURNAMES}])(?:{GIVEN_LOOSE}{{2}}|(?![{FREQUENT}]){GIVEN_LOOSE}))"
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
_TITLES = """
先生 女士 小姐 太太 夫人 老师 老師 医生 醫生 大夫 教授 博士 院士 总经理 總經理 副总经理 经理 經理 主任 总监 總監
董事长 董事長 总裁 總裁 同学 同學 同志 师傅 師傅 律师 律師 法官 警官 护士 護士 主管 主席 书记 書記 部长 局长 处长
科长 院长 校长 所长 厂长 店长 班长 队长 会计 工程师 工程師 阿姨 叔叔 大爷 大妈 奶奶 爷爷 大哥 大姐 老板 老闆 导师
医师 醫師 药师 技师 教练 教練 检察官 审判员 市长 县长 镇长 村长 省长 总理 副教授 副主任 副经理 副总 副院长 副校长
副局长 讲师 研究员 小朋友 董事 护士长 小哥 部長 局長 處長 科長 院長 校長 所長 廠長 店長 班長 隊長 會計 導師 藥師
檢察官 縣長 鎮長 講師 研究員
"""
TITLES = tuple(_TITLES.split())
# Short titles begin other words: 总结, 工作.
SHORT_TITLES = (
    r"[总總](?![是结結共额額体體数數部监監裁会會之算量计計和有分要需价價能想得经經成归歸站线行装机店])|"
    r"董(?![事])|工(?![作程资資具人业業厂廠地会會艺藝商序夫龄時时期伤件单号学種种信于笔整匠读薪])|"
    r"[哥姐叔姨](?![哥伦姐妹夫叔])"
)
# Family names that are too often part of another word: with a title alone, after a Chinese character, and anywhere.
PART_OF_WORD = "付景满白古万成易简欧盖农安路楼池宫左常宣明卫修尚贝党庄冷席边金石"
OTHER_WORD = "向连管解查单施包项时车从"
_OTHER_SINGLE = r"(?<!对.)(?<!官.)(?<!双.)(?<!康(?=师傅))"
SINGLE = (
    rf"{FIRST}(?:[{_SECONDS}](?<={_COMPOUND})|(?<=[{SURNAMES}])(?:(?<![{HAN}].)|(?<=[{BEFORE_TITLE}].)(?<![{PART_OF_WORD}]))"
    rf"(?<![{OTHER_WORD}]){_AFTER_OTHER}{_OTHER_SINGLE})"
)
# The last character of what forms call a person (`联系人`, `开户名`, `甲方`, `持卡者`), with a sign behind it.
_LABEL_ENDS = "讲处人名方者户戶员員师師生士亲親偶子女称稱寄致收字辑核告席长售服事友属管任理手送复单爱"
_CLOSING = r"[\"'\\ \t）)】*]"
LABEL = (
    rf"[:=：](?:(?<=[{_LABEL_ENDS}].)|(?<=[{_LABEL_ENDS}]{_CLOSING}.)|(?<=[{_LABEL_ENDS}]{_CLOSING}{{2}}.))"
    rf"[^{HAN}A-Za-z0-9\n，。,;；]{{0,4}}"
)
# Without a sign between: these stand right before names in sentences.
_DIRECT_WORDS = """
姓名是 姓名为 联系人是 联系人为 收件人是 负责人是 负责人为 经办人是 申请人是 法定代表人为 法定代表人是 法人是 患者是
客户是 作者是 作者为 户名是 户名为 我叫 他叫 她叫 人叫 名叫 叫做 我是 本人 名字是 名字 姓名 联系人 收件人 收货人
寄件人 经办人 负责人 患者 病人 客户 业主 会员 原告 被告人 被告 嫌疑人 被害人 被上诉人 上诉人 申请人 被申请人
法定代表人 委托代理人 当事人 证人 员工 同事 同学 朋友 学生 家长 家属 乘客 司机 医师 记者 作者 户名 持卡人 投保人
被保险人 受益人 候选人 先生是 老师是 经理是 组长是 主任是 医生是 老公 老婆 丈夫 妻子 儿子 女儿 父亲 母亲 男友 女友
室友 邻居 老板 导师 发给 转给 寄给 交给 打给 转账给 助理 秘书 产妇 患儿 新生儿 监护人 房东 租客 聯絡人 收貨人 負責人
客戶 申請人 乘机人 入住人 户主 孩子叫 儿子叫 女儿叫 老公叫 老婆叫 联系电话 法人代表为 法人代表是 签名处 主讲
主持人 值班人 保洁员 快递员 网约车司机 业务员 理赔员 客户经理
"""
_DIRECT = tuple(_DIRECT_WORDS.split())
DIRECT = trie(_DIRECT)
WEAKER_END = (
    rf"(?=[^{HAN}]|$|[的在于於与與因男女诉]|性别|性別|年龄|出生|民族|电话|手机|身份证|今年|现年|来自|先生|女士|"
    rf"负责|签[字名收]|反映|来电|申请|您好|你好|提交|投诉|那边|这边|推荐|绩效|面试|搬|本月|本人|已[经签收]|昨天|今天|明天)"
)
_LISTS = """
参会人员 参会人 与会人员 出席人员 出席 成员 名单 组员 收件人 抄送 联系人 候选人 负责人 股东 被告 原告 参与人 人员
获奖者 嘉宾
"""
LISTS = trie(_LISTS.split())
MOBILE = r"(?:(?:\+|00)?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9])"
_KEYS = """
name contact customer patient recipient receiver sender owner author user cardholder payee payer applicant consignee
employee student person member manager doctor guardian holder buyer seller
"""
KEYS = trie(spelt for key in _KEYS.split() for spelt in (key, key.capitalize(), key.upper()))
# A frequent name alone. Before it stands no Chinese character, or one in which a verb or label ends that names follow.
_LEFT = (
    "告询詢了下席记記长長任授士监裁官管教总總和与跟给找叫把被请約约让为及由替帮陪问见"
    "催派邀对向人者员户生属权事友理师姓名方是系知送到权托据经贺偶东民醒服荐谢命、"
)
_NO_LEFT = f"(?:(?![{_LEFT}])[{HAN}])"
# Behind it: no Chinese character, or one that begins what people do, have or are.
_RIGHT = (
    "接沟溝一急领領的在于於和与與及因说說想请請将將从從被未为已也就都是会會能可正发發提签簽收问問表来來去回要有刚又还還先不没你您"
    "昨今明前上下等以这那负負电電手身出男女住性年老同告向给把让对代通反投申预因医教助处联买退到写做参离入辞打吃搬推缴欠迟缺休太"
)
_NO_HAN = rf"(?:[^{HAN}]|$)"
_STRONG_RIGHT = (
    "说|說|表示|负责|負責|您好|你好|的电话|的手机|的邮箱|的地址|的身份证|的账|的银行|的工资|的合同|的简历|的订单|不在|昨天|今天|"
    "明天|上周|已经|那边|这边|已签收|在吗|没来|没有来|要退|搬走|推荐|本月|转达|回复|确认一下|沟通一下|聊一下|把合同|反映|来电|收(?![入费购益藏])|告诉|同意|请假|离职|入职|提交|申请|投诉|签收|住在|出生|先生|女士"
)
# What people do, or what is said of them: words that stand right behind a name.
_FOLLOWING = """
认为 認為 指出 强调 強調 建议 建議 补充 回答 回复 介绍 主持 报道 辩称 诉称 称[，：] 批准 审批 审核 签字 盖章 查房
提出 提议 提醒 承诺
解释 询问 追问 反问 答复 汇报 发言 总结 牵头 跟进 接手 处理 完成 复核 确认 联系 出席 参加 缺席 写道 写信 打电话
打来 打卡 发来 寄来
送来 去哪 走了 生日 结婚 怀孕 住院 手术 病情 升职 加班 值班 休假 领取 付款 支付 借款 欠款 转账 汇款 交来 捐款 误机
购票 报名 获得 荣获
毕业 就读 任职 担任 兼任 当选 名下 本周 下周 周[一二三四五六日末] 今早 今晚 明早 目前 现任 现在 夫妇 夫妻 一家 一行
等[人0-9一二三四五六七八九十]
系[本该我] 摄 [吗呢吧] [0-9] 总[说的，。：、那觉要让在] 工[说，。：、那要让] 问[：:，我你他] [跟给和][我你他她] 向
发[了给] 写的 没 自己 本 不[在会想是同]
"""
FOLLOWING = f"(?:{'|'.join(_FOLLOWING.split())})"
# These begin with a character of given names, and stand behind names that are shorter by it.
_NEXT_WORDS = """
明天 明日 明早 明年 明确 建议 建成 代为 代签 代表 代理 同意 同志 同学 同事 因为 因此 来电 来自 来到 来信 来访 进行
进入 成为 成功 成立
发现 发表 发布 发言 发来 发送 长期 书记 学习 学生 生日 生前 生病 文件 一起 一直 一样 一家 一行 一个 一次 家里 家属
家人 家的 想要 爱好 得知
得到 有没 有人 有点 正在 正式 道歉 定于 能否 能不 应该 应当 才能 真的 亲自 亲属 平时 立即 立刻 主持 主动 主任 永远
清楚 高兴 海外 先后 先生
女士 等人 向出 向我 向公 向法 与被 与其 升职 全家 力争 力图 强调 思考 想请 清明 春节 元旦 国庆期 上周 下周 兴奋
兴趣 信息 信任 安排 安全
和平 平台 平均 东西 工作 工号 工程 工资 重新 重点 重要 量力 新的 新增 忠告 忠于 泽东思想 根据 振奋 承诺 承认 承担
接到 士兵 实施 实现 深入
礼貌 继续 继而 方面 方案 才是 才发 就读 理论 理解 理由 道理 知道 觉得 写道 如何 如果 如实 如此 如今 为了 长大 越来
尚未 希望 利用 力量 言论 致电
致谢 致函 远在 远程 近日 近期 常常 常年 足够 界面 时候 时间 色彩 法律 法官 法院 本周 本人 本月 世界 行为 行使 治疗 康复
"""
# Words right before a name.
_CUE_WORDS = """
证明 学生 乘客 顺丰 提醒 你好 您好 昨天 今天 明天 刚才 感谢 祝贺 任命 聘任 居民 村民 客服 房东 配偶 产品 开发 测试
包括 麻烦 通知 员工 同事
医师 护士 记者 出席 参会 缺席 主持 证人 子女 家属 导演 编剧 歌手 球员 队员 战士 党员 干部 校友 网友 店员 店长 组员
组长 班长 还是 就是 问问 者有 丰的 通的 行的 司的 部的 组的 科的 室的 店的 班的 院的 校的 方是 人是
但是 因为 如果 所以 然后 后来 以及 还有 没有 只有 希望 听说 据说 其中 例如 比如 是否 关于 鉴于 兹有 选举 增补 免去
专家 学者 演员 选手 冠军
"""
NEXT_WORDS = trie(_NEXT_WORDS.split())
_SHORT = f"[{FREQUENT_SURNAMES}][{GIVEN_TWO}]"
_NEXT = rf"[、和与及跟，,/][ ]?[{FREQUENT_SURNAMES}][{GIVEN_TWO}]{{1,2}}(?=[{_RIGHT}]|[^{HAN}]|$)"
_BEFORE = rf"(?<={_SHORT}[、和与及跟，,/])|(?<={_SHORT}[{GIVEN_TWO}][、和与及跟，,/])"
# A cell of a table, where a long number or an address of mail stands in the same row.
_CELL = (
    r"(?<![^\n,|\t;\"']..)(?=[ \"']{0,2}[,|\t;][^\n]{0,80}?(?:[0-9]{7}|[0-9]{3}[- ][0-9]{4}|@[A-Za-z0-9]))|"
    r"(?<=[0-9A-Za-z][,|\t;]..)(?=[ ]?[,|\t;])|(?<=[0-9A-Za-z] [,|\t;] ..)(?=[ ]?[,|\t;])"
)
_SHORT_TITLE = (
    rf"(?={SHORT_TITLES})(?:(?<![{HAN}].)|(?<=[{BEFORE_TITLE}].)(?<![{PART_OF_WORD}]))"
    rf"(?<![{OTHER_WORD}]){_OTHER_SINGLE}"
)
# These begin names and hardly anything else: behind a sign of punctuation the rest of the sentence may be what it likes.
_SURE_SURNAMES = "王李张刘陈赵吴周徐孙郑杨黄朱胡郭梁宋韩冯邓彭董袁潘蒋蔡魏吕沈姚姜崔谭汪廖邹薛闫劉陳趙吳孫鄭張楊黃"
_LONG = [name for name in NO_NAMES if len(name) > 2]
_SHORTER = [name for name in NO_NAMES if len(name) == 2]
_CLOSINGS = ("敬礼", "祝好", "商祺", "此致", "敬上", "敬启", "谢谢", "顺颂时祺", "——")
_SIGNED = ("敬上", "拜上", "谨上", "亲笔", "（签字", "（签章", "(签字", "(签章")
_LABELLED = r"[\x80-\xbf](?:[\"'\\ \t)*])*(?:[:=]|：)"
# These are words by themselves, so that they begin a name only where no word reaches across its edge.
_WORDS_TOO = (
    "向于方史曲路伍余任庄康祝武金万关成安高石文白华何马江温林余贺严田罗苏鲁龙段牛常单季洪盛尚包齐易左毛连时车夏游庞"
)
_LOOSE_SURNAMES = "".join(one for one in FREQUENT_SURNAMES if one not in _WORDS_TOO)
# What is no part of a word before it, and no part of one behind it.
_CUES = trie(_CUE_WORDS.split())
_LEFT_EDGE = f"(?:(?<!{_NO_LEFT}.)|(?<={_CUES}.))"
_RIGHT_EDGE = f"(?=[{_RIGHT}]|{_NO_HAN}|{FOLLOWING})"
# A given name of two characters: one of them sure and one edge good, both sure, or both edges good.
_ANY_SURE = f"(?:(?<=[{GIVEN_SURE}])|(?<=[{GIVEN_SURE}].))"
_THREE = (
    rf"[{GIVEN_TWO}]{_NO_SECOND}(?!{NEXT_WORDS})[{GIVEN_TWO}](?<!{trie(_LONG)})"
    rf"(?:(?:(?<!{_NO_LEFT}...)|(?<={_CUES}...))(?:{_RIGHT_EDGE}|(?<![向于]..){_ANY_SURE}|(?<=[。，；！？,;\n][{_SURE_SURNAMES}]..))"
    rf"|(?<=[{_LOOSE_SURNAMES}]..){_ANY_SURE}(?:{_RIGHT_EDGE}|(?<=[{GIVEN_SURE}]{{2}})))"
)
# One of one character: a word behind it, or one good edge with a family name that is hardly anything else.
_TWO = (
    rf"{_LEFT_EDGE}(?:[{GIVEN_ONE}](?<!{trie(_SHORTER)})(?:(?=[ ]?(?:{_STRONG_RIGHT}|{FOLLOWING})|{_NEXT})"
    rf"|(?:(?<=[{_LEFT}]..)|(?<={_CUES}..)|{_BEFORE}|(?<=[{_SURE_SURNAMES}].)){_RIGHT_EDGE}|(?<![{HAN}]..)(?={_NO_HAN})|{_CELL}"
    rf"|(?:(?<=[叫把请让给找]..)|(?<={_CUES}..))(?<=[{_SURE_SURNAMES}][{GIVEN_SURE}]))"
    rf"|(?<=张)三|(?<=李)四|(?<=王)五|(?<=赵)六)"
)
BARE = rf"[{FREQUENT_SURNAMES}]{_AFTER_OTHER}(?:{_SHORT_TITLE}|{_THREE}|{_TWO})"
# Each pattern with what hyperscan looks for in its place: words alone, since family names around them take it long.
_FORMS: tuple[tuple[str, str], ...] = (
    # With a title behind: a full name, or a family name alone.
    (rf"(?P<value>{FULL_LOOSE})(?={trie(TITLES)}(?![台]))", either(TITLES)),
    (rf"(?P<value>{SINGLE})(?=副?{trie(TITLES)}(?![台]))", either(TITLES)),
    # With what may stand behind them as well, the automaton would take as long again to make.
    (BARE, over_bytes(map(ord, FREQUENT_SURNAMES))),
    (
        rf"{trie(COMPOUND_SURNAMES)}(?:(?:(?<!{_NO_LEFT}..)|(?<={_CUES}..))[{GIVEN_TWO}]{{1,2}}"
        rf"(?:{_RIGHT_EDGE}|(?<=[{GIVEN_SURE}])))",
        either(COMPOUND_SURNAMES),
    ),
    # Behind a label with a sign, a name may be written with a blank inside.
    (rf"{LABEL}(?P<value>{FULL}){END}", _LABELLED),
    (rf"{LABEL}(?P<value>[{SURNAMES}][ ]{{1,2}}{GIVEN})(?![{HAN}])", _LABELLED),
    (rf"{LABEL}(?P<value>{DOTTED})", "·|•|‧|・"),
    (rf"{DIRECT}(?P<value>{DOTTED})", "·|•|‧|・"),
    (
        rf"[{HAN}](?<![{HAN}].)(?=[{HAN}]{{1,7}}[·•‧・])(?<=(?=[{HAN}·•‧・]{{0,8}}?(?:{UYGHUR})).)[{HAN}]{{1,7}}[·•‧・][{HAN}]{{2,8}}",
        "·|•|‧|・",
    ),
    (rf"{DIRECT}[ ]?[“「\"]?(?P<value>{FULL}){WEAKER_END}", either(_DIRECT)),
    (rf"由(?![于此衷来])(?P<value>{FULL})(?=负责|签|提交|申请)", "负责|签|提交|申请"),
    (
        rf"{KEYS}[A-Za-z_ -]{{0,16}}[\"'\\]{{0,2}}[ ]?[:=：][ ]?[\"'\\（(]{{0,3}}(?P<value>{FULL}|{DOTTED})(?![{HAN}])",
        r"[a-zA-Z][\"'\\]* ?(?:[:=]|：) ?(?:[\"'\\(]|（)*[^\x00-\x7f]",
    ),
    # The other places where names stand: before a phone or a sex, in salutations and signatures.
    (
        rf"(?P<value>{FULL})(?<![{HAN}]...)(?<!...[{HAN}]..)[ ,，、(（:：/|\t-]{{1,3}}(?:(?:手机|电话|tel|TEL|Tel)"
        rf"号?[:： ]{{0,2}})?{MOBILE}",
        r"[^\x00-\x7f](?:[ ,(:/|\t-]|tel|Tel|TEL){0,6}(?:\+?[0-9]{2,4}[- ]?)?1[3-9][0-9][- ]?[0-9]{4}",
    ),
    (rf"(?P<value>{FULL})[ ]?[,，、|/\t(（ ][ ]?[男女](?![{HAN}])", r"(?:[,|/\t( ]|，|、|（) ?(?:男|女)"),
    (rf"[尊亲敬親][敬爱愛]的(?P<value>{FULL})(?![{HAN}])", "尊敬的|亲爱的|敬爱的|親愛的"),
    (
        rf"{trie(_CLOSINGS)}[!！。，,]?[ ]?\n{{1,2}}[ ]{{0,8}}(?P<value>{FULL})(?=[ ]?(?:$|\n|[0-9(（]))",
        either(_CLOSINGS),
    ),
    (rf"@(?P<value>{FULL})(?![{HAN}])", r"@[^\x00-\x7f]"),
    # Who speaks, at the beginning of a line.
    (
        rf"(?:^|\n)[ \t>*\[【]{{0,3}}(?P<value>[{FREQUENT_SURNAMES}](?:[{GIVEN_TWO}]{{2}}|[{GIVEN_ONE}]))"
        r"[ \]】]{0,2}[:：（(]",
        r"[\x80-\xbf](?:\]|】)? ?(?:[:(]|：|（)",
    ),
    (rf"(?P<value>{FULL})(?={trie(_SIGNED)})", either(_SIGNED)),
    *(
        (
            rf"{LISTS}[:：是为有][ ]?(?:[{HAN}]{{2,4}}[、,， ]{{1,2}}){{{count}}}(?P<value>{FULL})(?![{HAN}](?<![等和及]))",
            "、",
        )
        for count in range(1, 6)
    ),
)


def plausible(value: str) -> bool:
    """Whether it is no ordinary word, nor begins with one: `王国` does, and `王国强` is a name all the same."""
    if value[:2] not in ORDINARY or value.startswith(COMPOUND_SURNAMES):
        return True
    return len(value) == 3 and value[1] in "国子家文海江山" and value[2] in GIVEN_ONE


CHINESE_NAME = Detector(
    id="cn.name",
    description="name of a person in Chinese",
    patterns=tuple(pattern for pattern, _ in _FORMS),
    prefilter=tuple(prefilter for _, prefilter in _FORMS),
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
        "把徐婷调到研发部",
        "会议由冯国栋主持，何雨桐记录",
        "麻烦找余秋雨盖章",
        "产品石国庆、开发罗晓峰",
        "上午，高敏发来了清单",
        "主治医师梁家辉查房后指示",
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
        "向英国出口，思路敏捷，历史高峰",
        "一曲壮丽的歌，把文章译成英文",
        "会议由行政部主持，任何成果都行",
    ),
)
