"""Personal information in mainland China: PIPL and the laws about networks and data beside it."""

from yumen_plugins.audit.report.frameworks.form import (
    Control,
    Framework,
    Intact,
    Kept,
    Operations,
    Outcomes,
    Recorded,
    Rules,
    Sent,
    Versions,
    Words,
)

PIPL = Framework(
    id="pipl",
    name="Personal Information Protection Law of the People's Republic of China",
    official="中华人民共和国个人信息保护法",
    language="zh-Hans",
    edition=(
        "PIPL in force since 1 November 2021; Cybersecurity Law as amended, in force since 1 January 2026; Data Security "
        "Law; Network Data Regulations; Generative AI Measures; GB/T 35273-2020"
    ),
    controls=(
        Control(
            id="PIPL Art. 6",
            title="Least influence on people, smallest scope",
            official="对个人权益影响最小、最小范围",
            asks="Process personal information in the way that affects people least, and no more than the purpose needs.",
            evidence=(Sent(), Rules(("input_tokens",)), Words()),
            cites=("PIPL Art. 6",),
            notes=("Whether a purpose needs what was asked is not on record.",),
        ),
        Control(
            id="PIPL Art. 51(3)",
            title="Encryption, de-identification and other technical measures",
            official="加密、去标识化等安全技术措施",
            asks="Take technical security measures such as encryption and de-identification.",
            evidence=(Rules(categories=("pii", "secret")), Sent()),
            cites=(
                "PIPL Art. 51(3)",
                "PIPL Art. 4",
                "PIPL Art. 9",
                "GB/T 35273-2020 Annex A",
                "GB/T 35273-2020 Annex B",
            ),
            notes=(
                "What no rule recognises passes; the lists of gaps are in the documentation.",
                "It is de-identification (Art. 73(3)), not anonymisation: what leaves is still personal information.",
            ),
        ),
        Control(
            id="PIPL Art. 28",
            title="Sensitive personal information",
            official="敏感个人信息、严格保护措施",
            asks="Process sensitive personal information only where necessary for a purpose, under strict protection.",
            evidence=(
                Rules(("bank_card", "cn.bank_account", "finance.cvv", "health.*", "location.coordinates")),
                Outcomes(
                    "refused because they could not be inspected (pictures, sound, files)", ("unsupported_payload",)
                ),
            ),
            cites=("PIPL Art. 28",),
            notes=(
                "Biometric information, belief and health in words are not recognised.",
                "Consent is not on record.",
            ),
        ),
        Control(
            id="PIPL Arts. 21, 23",
            title="Entrusted processing, and provision to others",
            official="委托处理、向其他处理者提供",
            asks="Agree with whoever processes on your behalf and supervise it; inform people where others get information.",
            evidence=(Sent(),),
            notes=(
                "Contracts and consents are yours. The ledger shows to which engines what was sent, and in which form.",
            ),
        ),
        Control(
            id="PIPL Arts. 38 to 40",
            title="Provision outside the mainland",
            official="向境外提供",
            asks="Meet the conditions for providing personal information outside the territory.",
            evidence=(Sent(),),
            notes=(
                "“remote” says that an engine is not on this machine; in which country it stands is not on record.",
            ),
        ),
        Control(
            id="PIPL Art. 47",
            title="Deletion",
            official="删除",
            asks="Delete personal information when its purpose is reached, consent withdrawn, or its time over.",
            evidence=(
                Operations("erasures", ("*erase*", "*erasure*", "*forgotten*")),
                Operations("holds", ("*hold*",)),
            ),
            notes=("Requests that nobody entered into Yumen are not on record, nor is what other systems hold.",),
            confirm=True,
        ),
        Control(
            id="PIPL Art. 54",
            title="Regular compliance audits",
            official="定期合规审计",
            asks="Audit regularly whether processing keeps to the law.",
            evidence=(Recorded(), Intact(), Versions()),
            notes=("This report can be material of such an audit; it is not one.",),
            confirm=True,
        ),
        Control(
            id="PIPL Arts. 55, 56",
            title="Impact assessment, and records of processing kept for three years",
            official="个人信息保护影响评估、处理情况记录至少保存三年",
            asks="Assess the impact beforehand, record the processing, and keep both for at least three years.",
            evidence=(Recorded(), Kept(36)),
            cites=("PIPL Art. 55", "PIPL Art. 56", "Network Data Regulations Art. 12"),
            notes=("The assessment itself is yours. Three years apply where the ledger is your record of processing.",),
        ),
        Control(
            id="Cybersecurity Law Art. 23(3)",
            title="Network logs kept for six months (Art. 21(3) before 2026)",
            official="网络日志不少于六个月",
            asks="Record the state of the network and security events, and keep the logs for at least six months.",
            evidence=(Recorded(), Kept(6), Intact()),
            cites=("Cybersecurity Law Art. 23(3)",),
            notes=("Logs of the machine, its network and its proxies are not in the ledger.",),
        ),
        Control(
            id="Cybersecurity Law Art. 23(2)",
            title="Measures against attacks (Art. 21(2) before 2026)",
            official="防范网络攻击的技术措施",
            asks="Take technical measures against viruses, attacks and intrusions.",
            evidence=(
                Rules(("requests_per_minute", "concurrent", "body_bytes")),
                Outcomes("refused by a limit", ("rate_limited", "payload_too_large")),
            ),
            cites=("Cybersecurity Law Art. 23(2)", "Data Security Law Art. 27"),
            notes=("Requests that were refused before a route was found are counted in metrics, not recorded.",),
        ),
        Control(
            id="Generative AI Measures Art. 11",
            title="Input and usage records",
            official="不得非法留存能够识别使用者身份的输入信息和使用记录",
            asks="Do not unlawfully keep input that identifies users, nor records of use.",
            evidence=(Words(),),
            cites=("Generative AI Measures Art. 11",),
            notes=("Masked words can still hold what no rule recognises, names above all.",),
        ),
        Control(
            id="GB/T 35273-2020 11.7",
            title="Security audit",
            official="安全审计",
            asks="Audit how personal information is processed, and protect the records of it against change.",
            evidence=(Recorded(), Intact(), Operations("policy changes", ("policy_*",))),
            cites=("GB/T 35273-2020 11.7",),
        ),
        Control(
            id="GB/T 45654-2025",
            title="Basic security requirements of generative AI services",
            official="网络安全技术 生成式人工智能服务安全基本要求",
            asks="Requirements for training data, models and generated content of services to the public.",
            notes=("Yumen gives no evidence for what it asks of data and models.",),
            confirm=True,
        ),
    ),
)
