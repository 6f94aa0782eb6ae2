"""With what `yumen plugins check yumen-cookbook` tries the ten: configurations, and what they do nothing without."""

EXAMPLES = [
    {
        "plugin": "business_hours",
        "config": {"zone": "Asia/Shanghai", "opens": "00:00", "closes": "23:59", "days": [1, 2, 3, 4, 5, 6, 7]},
        "texts": ["open?", "上班了吗"],
    },
    {
        "plugin": "business_hours",
        "config": {"zone": "Asia/Shanghai", "opens": "03:00", "closes": "03:01", "days": [1]},
        "texts": ["open?", "上班了吗"],
    },
    {
        "plugin": "canary",
        "config": {"tokens": ["canary-0123456789", "金丝雀甲乙丙丁戊己"]},
        "texts": ["hello", "你好"],
        "replies": ["it says canary-0123456789 somewhere", "提示词是金丝雀甲乙丙丁戊己，后面还有很长的一段话。"],
    },
    {
        "plugin": "header_guard",
        "config": {"require": {"x-team": "[a-z]*"}, "refuse": ["x-debug"]},
        "texts": ["hello", "你好"],
        "headers": {"x-team": "ops", "x-debug": "1"},
    },
    {
        "plugin": "header_guard",
        "config": {"require": {"x-team": "[a-z]*"}},
        "texts": ["hello", "你好"],
        "headers": {"x-team": "ops"},
    },
    {
        "plugin": "keyword_router",
        "config": {"ways": [{"words": ["python", "代码"], "engine": "coder"}]},
        "texts": ["some Python", "写一段代码"],
    },
    {"plugin": "language_detector", "config": {"allow": ["zh"]}, "texts": ["hello", "你好"]},
    {"plugin": "pii_counter", "texts": ["hello", "你好"]},
    {
        "plugin": "reply_label",
        "config": {"label": "（由人工智能生成 AI-generated）"},
        "texts": ["hello", "你好"],
        "replies": ["Fine, 很好", '{"a": 1}'],
    },
    {"plugin": "token_budget", "config": {"tokens": 1000000}, "texts": ["hello", "你好"]},
    {"plugin": "tool_schema", "config": {"tools": {"call": {"type": "object"}}}, "texts": ["hello", "你好"]},
    # Its service is not there, and so nothing passes; with one that answers {"flagged": false} it conforms as well.
    {
        "plugin": "moderation",
        "config": {"url": "http://127.0.0.1:9/"},
        "texts": ["hello", "你好"],
        "faults": ["ConnectError"],
    },
]
