"""High-risk systems of artificial intelligence in the European Union: Regulation (EU) 2024/1689."""

from yumen_plugins.audit.report.frameworks.form import (
    Control,
    Framework,
    Intact,
    Kept,
    Operations,
    Outcomes,
    Recorded,
    Rules,
    Versions,
)

EU_AI_ACT = Framework(
    id="eu-ai-act",
    name="Artificial Intelligence Act",
    edition="Regulation (EU) 2024/1689; the dates of its Art. 113 were moved once, look up those that hold for you",
    controls=(
        Control(
            id="Art. 12(1)",
            title="Automatic recording of events",
            asks="High-risk systems technically allow the automatic recording of events over their lifetime.",
            evidence=(Recorded(), Intact()),
            cites=("AI Act Art. 12(1)",),
            notes=("What passes beside the gateway is not recorded by it.",),
        ),
        Control(
            id="Art. 12(2)",
            title="Traceability",
            asks="Events that show risks or substantial modifications, and what post-market monitoring needs, are recorded.",
            evidence=(
                Versions(),
                Operations("changes of policy and keys", ("policy_*", "*key*")),
                Outcomes("that ended with a fault or an error of an engine", ("plugin_fault", "engine_*")),
            ),
            notes=("Changes of a model are seen only where its engine tells its version.",),
            confirm=True,
        ),
        Control(
            id="Art. 14",
            title="Human oversight",
            asks="People can oversee the system, intervene and stop it.",
            evidence=(
                Operations(
                    "interventions by operators", ("lift*", "extend*", "*quarantine*", "*hold*", "policy_reloaded")
                ),
                Outcomes("stopped by policy", ("policy_blocked",)),
            ),
            notes=("Whether somebody looked at a result is not on record.",),
            confirm=True,
        ),
        Control(
            id="Art. 15",
            title="Accuracy, robustness and cybersecurity",
            asks="The system is resilient against errors and against attempts to alter its use or behaviour.",
            evidence=(Rules(("injection*", "*.injection*", "requests_per_minute", "concurrent")),),
            notes=("Accuracy is not measured.",),
            confirm=True,
        ),
        Control(
            id="Art. 19(1)",
            title="Logs kept by providers",
            asks="Providers keep the automatically generated logs for an appropriate time, at least six months.",
            evidence=(Kept(6), Intact()),
            cites=("AI Act Art. 19(1)",),
        ),
        Control(
            id="Art. 26(5)",
            title="Monitoring by deployers",
            asks="Deployers monitor the operation of the system and report risks and serious incidents.",
            evidence=(Recorded(), Outcomes("stopped by policy", ("policy_blocked",))),
            notes=("Yumen records no report to anybody.",),
            confirm=True,
        ),
        Control(
            id="Art. 26(6)",
            title="Logs kept by deployers",
            asks="Deployers keep the logs under their control for an appropriate time, at least six months.",
            evidence=(Kept(6), Intact()),
            cites=("AI Act Art. 26(6)",),
        ),
        Control(
            id="Arts. 9 to 11",
            title="Risk management, data governance, technical documentation",
            asks="A risk management system, governance of training data, and documentation of the system.",
            notes=("Yumen gives no evidence for these.",),
            confirm=True,
        ),
    ),
)
