"""Tokens of Chinese work, messaging and map services; their clouds and models are with the others."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.secrets.build import ALNUM, HEX, LOWER, URL, UUID, fixed, named, run, token

CHINESE: tuple[Detector, ...] = (
    named(
        "wechat",
        "WeChat app secret or payment key",
        "wechat|weixin|微信|公众号|小程序|(?<![A-Za-z])wx|mchid|商户号",
        (fixed(HEX, 32),),
        (fixed(ALNUM, 32),),
        alone="appsecret|api[_ ]?v3[_ ]?key",
        example="wechat appsecret",
    ),
    token("wecom_hook", "WeCom webhook", ("qyapi.weixin.qq.com/cgi-bin/webhook/send?key=", *UUID), url=True),
    named(
        "wecom", "WeCom secret", "wecom|wxwork|corp[_ ]?id|企业微信|企微", (fixed(URL, 43),), alone="corp[_ ]?secret"
    ),
    token(
        "feishu_hook",
        "Feishu or Lark webhook",
        (("open.feishu.cn", "open.larksuite.com"), "/open-apis/bot/v2/hook/", *UUID),
        url=True,
    ),
    token(
        "feishu_token",
        "Feishu or Lark token",
        (("t-g1", "u-g1", "t-", "u-"), run(ALNUM, 38, 60)),
        ("cli_", fixed(LOWER, 16)),
    ),
    named(
        "feishu",
        "Feishu or Lark app secret",
        "feishu|lark|飞书|cli_[0-9a-z]{16}",
        (fixed(ALNUM, 32),),
        example="feishu secret",
    ),
    token("dingtalk", "DingTalk signing secret", ("SEC", fixed(HEX, 64))),
    token(
        "dingtalk_hook", "DingTalk webhook", ("oapi.dingtalk.com/robot/send?access_token=", fixed(HEX, 64)), url=True
    ),
    named(
        "dingtalk_app",
        "DingTalk app secret",
        "dingtalk|dingding|钉钉",
        (fixed(URL, 64),),
        example="dingtalk secret",
    ),
    named(
        "amap",
        "key of a map service",
        "amap|gaode|高德|百度地图|腾讯地图|tianditu|天地图",
        (fixed(HEX, 32),),
        (fixed(ALNUM, 32),),
        example="amap key",
    ),
    token(
        "tencent_map",
        "key of Tencent's map service",
        (
            fixed("A-Z0-9", 5),
            "-",
            fixed("A-Z0-9", 5),
            "-",
            fixed("A-Z0-9", 5),
            "-",
            fixed("A-Z0-9", 5),
            "-",
            fixed("A-Z0-9", 5),
            "-",
            fixed("A-Z0-9", 5),
        ),
    ),
    token("serverchan", "ServerChan key", ("SCT", run(ALNUM, 28, 40))),
    named(
        "jpush_secret",
        "JPush or Umeng secret",
        "jpush|jiguang|极光|umeng|友盟|getui|个推",
        (fixed(HEX, 24),),
        (fixed(LOWER, 32),),
        example="jpush secret",
    ),
    named("alipay", "Alipay key", "alipay|支付宝", (fixed(ALNUM, 32),), (fixed(ALNUM, 24), "==")),
    named(
        "douyin",
        "Douyin or TikTok secret",
        "douyin|tiktok|bytedance|抖音|字节",
        (fixed(HEX, 32),),
        (fixed(ALNUM, 40),),
        example="douyin secret",
    ),
    named(
        "weibo",
        "Weibo, Bilibili or JD secret",
        "weibo|bilibili|jingdong|微博|哔哩|京东|美团",
        (fixed(HEX, 32),),
        example="weibo secret",
    ),
)
