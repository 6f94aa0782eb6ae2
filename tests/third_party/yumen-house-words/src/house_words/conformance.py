"""With what `yumen plugins check house_words` tries the plugin: what it does nothing without."""

EXAMPLES = [
    {
        "config": {
            "refuse": ["Project Falcon", "猎鹰计划"],
            "replace": {"Project Heron": "a project", "Heron": "a bird", "苍鹭计划": "某项目"},
        },
        "texts": ["about Project Falcon", "关于猎鹰计划的事", "nothing of the kind"],
        "replies": ["Project Heron and Heron, 苍鹭计划和苍鹭"],
    }
]
