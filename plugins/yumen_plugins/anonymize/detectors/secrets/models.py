"""Keys of model providers."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.secrets.build import ALNUM, HEX, LOWER, URL, fixed, named, run, token

# "OpenAI" in base64 stands in the middle of their keys.
MARK = "T3BlbkFJ"
# A key's first letters say enough: the provider's name may stand anywhere before it on its line.
SK = "sk-"
NEAR = 40

MODELS: tuple[Detector, ...] = (
    token(
        "openai",
        "OpenAI API key",
        (("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"), run(URL, 40, 240)),
        ("sk-", fixed(ALNUM, 20), MARK, fixed(ALNUM, 20)),
        ("sess-", run(ALNUM, 40)),
    ),
    token(
        "anthropic",
        "Anthropic API key",
        ("sk-ant-", ("api03-", "admin01-", "sid01-", "oat01-", "ort01-", "api01-"), run(URL, 80, 140)),
    ),
    token("openrouter", "OpenRouter API key", ("sk-or-v1-", run(HEX, 64))),
    token("huggingface", "Hugging Face token", (("hf_", "api_org_"), run(ALNUM, 34))),
    token("replicate", "Replicate API token", ("r8_", run(ALNUM, 37))),
    token("groq", "Groq API key", ("gsk_", run(ALNUM, 48, 80))),
    token("perplexity", "Perplexity API key", ("pplx-", run(ALNUM, 40, 80))),
    token("xai", "xAI API key", ("xai-", run(ALNUM, 70, 100))),
    token("nvidia", "NVIDIA API key", ("nvapi-", run(URL, 60, 80))),
    token("fireworks", "Fireworks AI API key", ("fw_", run(ALNUM, 22, 32))),
    token("together", "Together AI API key", ("tgp_v1_", run(URL, 40, 60))),
    token("langchain", "LangSmith API key", (("lsv2_pt_", "lsv2_sk_"), fixed(HEX, 32), "_", run(HEX, 10))),
    token("langfuse", "Langfuse secret key", ("sk-lf-", run(f"{HEX}-", 36))),
    token("pinecone", "Pinecone API key", ("pcsk_", run(URL, 50, 90))),
    token("tavily", "Tavily API key", (("tvly-dev-", "tvly-prod-", "tvly-"), run(ALNUM, 32))),
    token("elevenlabs", "ElevenLabs API key", ("sk_", fixed(HEX, 48))),
    token("wandb", "Weights & Biases API key", ("wandb_v1_", run(URL, 60, 100))),
    token(
        "zhipu",
        "Zhipu API key",
        (fixed(HEX, 32), ".", run(ALNUM, 16, 20)),
        others=("5d41402abc4b2a76b9719d911017c592.html",),
    ),
    token(
        "qianfan",
        "Baidu Qianfan API key",
        ("bce-v3/ALTAK-", run(ALNUM, 21, 32), "/", fixed(HEX, 40)),
    ),
    token("dify", "Dify API key", (("app-", "dataset-"), fixed(ALNUM, 24)), others=("app-internationalizationutils",)),
    token("coze", "Coze access token", (("pat_", "sat_"), fixed(ALNUM, 64))),
    token("minimax", "MiniMax API key", (("sk-api-", "sk-cp-"), run(URL, 60, 140))),
    named("deepseek", "DeepSeek API key", "deepseek|深度求索", (SK, run(LOWER, 32)), near=NEAR),
    named("moonshot", "Moonshot API key", "moonshot|kimi|月之暗面", (SK, run(ALNUM, 40, 60)), near=NEAR),
    named(
        "dashscope",
        "Alibaba DashScope API key",
        "dashscope|qwen|bailian|百炼|通义|千问",
        (SK, run(HEX, 32)),
        near=NEAR,
    ),
    named("siliconflow", "SiliconFlow API key", "siliconflow|硅基流动", (SK, run(LOWER, 40, 60)), near=NEAR),
    named("baichuan", "Baichuan API key", "baichuan|百川", (SK, run(HEX, 32)), near=NEAR),
    named("stability", "Stability AI API key", "stability", (SK, run(ALNUM, 48)), near=NEAR),
    # Dozens of providers and gateways give out this form; whose it is, only words around it could say.
    token(
        "sk_key",
        "API key of the form sk-…",
        (("sk-", "SK-"), run(ALNUM, 32, 96)),
        others=("risk-0123456789abcdef0123456789abcdef", "sk-learn-contrib-extension-modules-are-here"),
    ),
    named("cohere", "Cohere API key", "cohere|co_api_key", (fixed(ALNUM, 40),)),
    named("mistral", "Mistral API key", "mistral", (fixed(ALNUM, 32),)),
    named("stepfun", "StepFun API key", "stepfun|阶跃", (run(ALNUM, 48, 64),)),
    named(
        "iflytek",
        "iFlytek Spark key",
        "iflytek|xfyun|spark|讯飞|星火",
        (fixed(HEX, 32),),
        (run(ALNUM, 20, 64), ":", run(ALNUM, 20, 64)),
    ),
)
