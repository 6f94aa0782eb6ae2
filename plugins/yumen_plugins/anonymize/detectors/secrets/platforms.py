"""Tokens of source hosting, package registries, builds, deployment and secret stores."""

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
    characters,
    fixed,
    named,
    run,
    token,
)
from yumen_plugins.anonymize.detectors.secrets.checks import crc62, crc_base62, crc_grafana, grafana, mixed

# A token whose checksum fails is still taken where one of these says what it is.
NAMED = ("git", "token", "key", "secret", "auth", "bearer", "pat", "npm", "令牌", "密钥", "秘钥", "凭", "密码")
GITHUB = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")


def _checked(prefix: str) -> str:
    """A token of GitHub's form with its checksum."""
    body = characters(ALNUM, 30, prefix)
    return prefix + body + crc_base62(body)


def _grafana() -> str:
    body = "glsa_" + characters(ALNUM, 32, "grafana")
    return f"{body}_{crc_grafana(body)}"


PLATFORMS: tuple[Detector, ...] = (
    token(
        "github",
        "GitHub token",
        (GITHUB, fixed(ALNUM, 36)),
        validate=crc62,
        context=NAMED,
        made=tuple(map(_checked, GITHUB)),
        others=("ghp_" + characters(ALNUM, 36, "no checksum"),),
    ),
    # Installation tokens of 2026 are JWTs with a prefix.
    token(
        "github_app", "GitHub installation token", ("ghs_", run(f"{ALNUM}_", 1, 40), "eyJ", run(f"{URL}.", 60, 2000))
    ),
    token("github_pat", "GitHub fine-grained token", ("github_pat_", fixed(ALNUM, 22), "_", fixed(ALNUM, 59))),
    token(
        "gitlab",
        "GitLab token",
        (
            (
                "glpat-",
                "gldt-",
                "glrt-",
                "glcbt-",
                "glptt-",
                "glft-",
                "glsoat-",
                "gloas-",
                "glagent-",
                "glimt-",
                "glffct-",
            ),
            run(f"{URL}.", 20, 300),
        ),
        ("GR1348941", run(URL, 20, 22)),
    ),
    token("gitee", "Gitee token", ("gitee_pat_", run(ALNUM, 30, 64))),
    named("gitee_old", "Gitee token", "gitee|码云", (fixed(HEX, 32),)),
    token("bitbucket", "Bitbucket token", ("ATBB", run(ALNUM, 28, 40)), ("ATCTT3", run(f"{URL}=", 100, 300))),
    token("atlassian", "Atlassian API token", ("ATATT3", run(f"{URL}=", 100, 300))),
    token(
        "npm",
        "npm access token",
        ("npm_", fixed(ALNUM, 36)),
        validate=crc62,
        context=NAMED,
        made=(_checked("npm_"),),
        others=("npm_config_registry_value_that_is_long_enough",),
    ),
    # The token begins with the name of the index in a macaroon.
    token("pypi", "PyPI token", ("pypi-AgE", ("IcHlwaS5vcmc", "NdGVzdC5weXBpLm9yZw"), run(URL, 50, 1000))),
    token("rubygems", "RubyGems API key", ("rubygems_", fixed(HEX, 48))),
    token("cratesio", "crates.io token", ("cio", fixed(ALNUM, 32))),
    token("nuget", "NuGet API key", ("oy2", fixed(LOWER, 43))),
    token("clojars", "Clojars token", ("CLOJARS_", run(LOWER, 60))),
    token("docker", "Docker token", (("dckr_pat_", "dckr_oat_"), run(URL, 27, 64))),
    token("jfrog", "JFrog Artifactory key", ("AKCp", run(ALNUM, 60, 80)), ("cmVmdGtu", run(ALNUM, 56))),
    token("circleci", "CircleCI token", (("CCIPAT_", "CCIPRJ_"), run(ALNUM, 20, 24), "_", fixed(HEX, 40))),
    token("buildkite", "Buildkite token", (("bkua_", "bkaj_"), run(LOWER, 40))),
    named("travis", "Travis CI or Drone token", "travis|droneci|drone_", (fixed(URL, 22),), (fixed(ALNUM, 32),)),
    token("terraform", "Terraform Cloud token", (fixed(ALNUM, 14), ".atlasv1.", run(f"{URL}=", 60, 72))),
    token("vault", "HashiCorp Vault token", (("hvs.", "hvb.", "hvr."), run(URL, 24, 300))),
    token(
        "doppler",
        "Doppler token",
        (("dp.pt.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."), run(ALNUM, 40, 44)),
        ("dp.st.", run(f"{LOWER}_\\-", 2, 35), ".", run(ALNUM, 40, 44)),
    ),
    token("pulumi", "Pulumi token", ("pul-", fixed(HEX, 40))),
    token("onepassword_token", "1Password service account token", ("ops_eyJ", run(f"{BASE64}_=\\-", 100, 2000))),
    token(
        "onepassword",
        "1Password secret key",
        (
            "A3-",
            fixed(UPPER, 6),
            "-",
            fixed(UPPER, 6),
            "-",
            fixed(UPPER, 5),
            "-",
            fixed(UPPER, 5),
            "-",
            fixed(UPPER, 5),
            "-",
            fixed(UPPER, 5),
        ),
    ),
    token("infisical", "Infisical token", ("st.", fixed(HEX, 24), ".", fixed(HEX, 32), ".", fixed(HEX, 32))),
    token("sonarqube", "SonarQube token", (("squ_", "sqp_", "sqa_"), fixed(HEX, 40))),
    token("snyk", "Snyk token", ("snyk_uat.", run(HEX, 8), ".", run(URL, 20, 80), ".", run(URL, 20, 80))),
    token("postman", "Postman API key", ("PMAK-", fixed(HEX, 24), "-", fixed(HEX, 34))),
    token("readme", "ReadMe API key", ("rdme_", fixed(LOWER, 70))),
    token("prefect", "Prefect API key", (("pnu_", "pnb_"), fixed(ALNUM, 36))),
    token("openshift", "OpenShift token", ("sha256~", fixed(URL, 43))),
    token(
        "tailscale",
        "Tailscale key",
        ("tskey-", ("auth-", "api-", "client-", "scim-", "webhook-"), run(ALNUM, 10, 24), "-", run(ALNUM, 20, 48)),
    ),
    token(
        "grafana",
        "Grafana service account token",
        ("glsa_", fixed(ALNUM, 32), "_", fixed(HEX, 8)),
        validate=grafana,
        context=(*NAMED, "grafana"),
        made=(_grafana(),),
    ),
    token("grafana_cloud", "Grafana Cloud token", ("glc_eyJ", run(f"{BASE64}=", 40, 400))),
    token("sentry", "Sentry token", ("sntrys_eyJ", run(f"{BASE64}=_", 80, 500)), ("sntryu_", fixed(HEX, 64))),
    token(
        "newrelic",
        "New Relic key",
        (("NRAK-", "NRRA-"), run(UPPER, 27)),
        (("NRII-", "NRIQ-", "NRJS-"), run(URL, 19, 40)),
        (fixed(HEX, 36), "NRAL"),
    ),
    token(
        "dynatrace", "Dynatrace token", (("dt0c01.", "dt0s01.", "dt0s02."), run(ALNUM, 8, 24), ".", fixed(ALNUM, 64))
    ),
    named(
        "datadog",
        "Datadog key",
        "datadog|(?<![A-Za-z])dd[_-]",
        (fixed(HEX, 40),),
        (fixed(HEX, 32),),
        example="datadog key",
    ),
    token("datadog_pat", "Datadog token", (("ddpat_", "ddapp_"), run(URL, 30, 60))),
    named("pagerduty", "PagerDuty key", "pagerduty|pager_duty", (fixed(f"{URL}+", 20),), (fixed(HEX, 32),)),
    token("honeycomb", "Honeycomb key", (("hcaik_", "hcamk_", "hcxik_", "hcbik_"), run(LOWER, 58))),
    token("posthog", "PostHog key", (("phx_", "phs_"), run(ALNUM, 40, 60))),
    token("launchdarkly", "LaunchDarkly key", (("sdk-", "mob-", "api-"), *UUID)),
    named("consul", "Consul or Nomad token", "consul|nomad", UUID),
    token(
        "appveyor",
        "AppVeyor token",
        ("v2.", fixed(LOWER, 20)),
        validate=mixed,
        others=("v2.1.0", "v2.configurationbuilders"),
    ),
    token(
        "discord_hook",
        "Discord webhook",
        (("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"), fixed(DIGIT, 18), "/", run(URL, 60, 80)),
        url=True,
    ),
)
