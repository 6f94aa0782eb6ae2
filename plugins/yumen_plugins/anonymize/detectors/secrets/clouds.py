"""Keys of clouds, hosts and databases."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.secrets.build import (
    ALNUM,
    BASE64,
    DIGIT,
    HEX,
    LOWER,
    UPPER,
    URL,
    UUID,
    fixed,
    named,
    run,
    token,
)
from yumen_plugins.anonymize.detectors.secrets.checks import azure_storage, credible

BASE32 = "A-Z2-7"

CLOUDS: tuple[Detector, ...] = (
    # `AKIAIOSFODNN7EXAMPLE` of the documentation has the form of a key and is taken like one.
    token("aws_key_id", "AWS access key id", (("AKIA", "ASIA", "ABIA", "ACCA"), fixed(BASE32, 16))),
    named(
        "aws_secret_key",
        "AWS secret access key",
        "aws|amazon|亚马逊",
        (fixed(BASE64, 40),),
        alone="secret[_ -]?access[_ -]?key",
        example="aws_secret_access_key",
    ),
    token("aws_bedrock", "Amazon Bedrock API key", ("ABSK", run(f"{BASE64}=", 109, 269))),
    token("google_api_key", "Google API key", ("AIza", run(URL, 35, 39))),
    token("google_access", "Google access token", ("ya29.", run(f"{URL}.", 40, 1000))),
    token(
        "google_oauth",
        "Google OAuth token or client secret",
        ("GOCSPX-", run(URL, 28)),
        ("1//0", run(URL, 40, 120)),
    ),
    named(
        "google_key_id",
        "id of a Google service account's key",
        "",
        (fixed(HEX, 40),),
        alone="private_key_id",
        example="private_key_id",
    ),
    token(
        "firebase",
        "Firebase Cloud Messaging server key",
        ("AAAA", fixed(URL, 7), ":APA91b", run(URL, 130, 160)),
    ),
    named(
        "azure_storage",
        "Azure storage or service bus key",
        "azure|blob",
        (fixed(BASE64, 86), "=="),
        alone="account[_ ]?key",
        validate=azure_storage,
        example="AccountKey",
    ),
    named(
        "azure_shared",
        "Azure shared access key",
        "",
        (fixed(BASE64, 43), "="),
        alone="SharedAccessKey",
        example="SharedAccessKey",
    ),
    token(
        "azure_client", "Azure client secret", (fixed(f"{ALNUM}_~.", 3), fixed(DIGIT, 1), "Q~", run(f"{URL}~.", 31, 34))
    ),
    named(
        "azure_sas",
        "signature of an Azure shared access URL",
        "",
        (run(f"{ALNUM}%", 40, 64), ("%3D", "=")),
        alone="[?&]sig",
        example="?sig",
    ),
    token("alibaba_key_id", "Alibaba Cloud AccessKey id", ("LTAI", run(ALNUM, 12, 26))),
    named(
        "alibaba_secret",
        "Alibaba Cloud AccessKey secret",
        "aliyun|alibaba|(?<![A-Za-z])oss|阿里云",
        (fixed(ALNUM, 30),),
        alone="access[_ ]?key[_ ]?secret",
    ),
    token("tencent_id", "Tencent Cloud SecretId", ("AKID", run(URL, 32, 64)), ("IKID", run(URL, 32, 64))),
    named(
        "tencent_key", "Tencent Cloud SecretKey", "tencent|qcloud|腾讯云", (fixed(ALNUM, 32),), alone="secret[_-]?key"
    ),
    named("huawei_sk", "Huawei Cloud key", "huawei|hwcloud|华为云|obs_", (fixed(ALNUM, 40),), (fixed(UPPER, 20),)),
    token("volcengine", "Volcengine access key id", (("AKLT", "AKTP"), run(f"{BASE64}_\\-", 36, 80))),
    named(
        "volc_secret",
        "Volcengine key",
        "volc|火山|(?<![A-Za-z])ark|doubao|豆包",
        UUID,
        (run(BASE64, 56, 60), "=="),
        example="volcengine key",
    ),
    token("baidu_ak", "Baidu Cloud access key id", ("ALTAK", run(ALNUM, 20, 28))),
    named("qiniu", "Qiniu key", "qiniu|七牛", (fixed(URL, 40),)),
    token("digitalocean", "DigitalOcean token", (("dop_v1_", "doo_v1_", "dor_v1_"), fixed(HEX, 64))),
    token("heroku", "Heroku API key", ("HRKU-AA", run(URL, 50, 70))),
    named("heroku_legacy", "Heroku API key", "heroku", UUID),
    token(
        "cloudflare",
        "Cloudflare API token",
        (("cfk_", "cfut_", "cfat_"), run(ALNUM, 40, 60)),
        ("v1.0-", fixed(HEX, 24), "-", fixed(HEX, 146)),
    ),
    named(
        "cloudflare_old",
        "Cloudflare API token",
        "cloudflare|(?<![A-Za-z])cf_",
        (fixed(URL, 40),),
        (fixed(HEX, 37),),
        example="cloudflare token",
    ),
    named("fastly", "Fastly API token", "fastly", (fixed(URL, 32),)),
    token("netlify", "Netlify token", (("nfp_", "nfo_", "nfu_", "nfc_"), run(ALNUM, 36, 48))),
    token(
        "vercel",
        "Vercel token",
        (("vcp_", "vck_", "vci_", "vca_", "vcr_"), run(ALNUM, 24, 80)),
        ("vercel_blob_rw_", run(f"{ALNUM}_", 30, 60)),
    ),
    named("vercel_old", "Vercel token", "vercel|(?<![A-Za-z])now_", (fixed(ALNUM, 24),), example="vercel token"),
    token("flyio", "Fly.io token", ("fo1_", run(URL, 43))),
    token("flyio_macaroon", "Fly.io token with its rights", (("fm1a_", "fm1r_", "fm2_"), run(f"{BASE64}=", 100, 2000))),
    token("render", "Render API key", ("rnd_", run(ALNUM, 28, 40))),
    token("scaleway", "Scaleway access key", ("SCW", fixed(UPPER, 17))),
    token("supabase", "Supabase key", ("sbp_", run(HEX, 40)), (("sb_secret_",), run(URL, 30, 60))),
    token("planetscale", "PlanetScale token", (("pscale_tkn_", "pscale_pw_", "pscale_oauth_"), run(f"{URL}.", 32, 64))),
    token("neon", "Neon API key", ("napi_", run(LOWER, 60, 80))),
    token("upstash", "Upstash token", ("UPSH_", run(ALNUM, 30, 80))),
    token("databricks", "Databricks token", ("dapi", run(f"{HEX}\\-", 32, 34)), ("dose", fixed(HEX, 32))),
    token("clickhouse", "ClickHouse Cloud API key", ("4b1d", fixed(ALNUM, 38))),
    token("aiven", "Aiven token", ("aivenv1", run(BASE64, 80, 400)), ("AVNS_", run(URL, 16, 32))),
    token(
        "yandex",
        "Yandex Cloud token",
        (("AQVN", "t1."), run(f"{URL}.=", 36, 260)),
        ("y0_", run(URL, 50, 80)),
        validate=credible,
    ),
)
