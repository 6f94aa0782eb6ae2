"""Tokens of messaging, mail, payment, work and social services."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.secrets.build import (
    ALNUM,
    BASE64,
    DIGIT,
    HEX,
    LOWER,
    URL,
    UUID,
    characters,
    fixed,
    named,
    run,
    token,
)
from yumen_plugins.anonymize.detectors.secrets.checks import mixed, snowflake

# "123456789012345678" in base64: the first part of a Discord token is a number.
OWNER = "MTIzNDU2Nzg5MDEyMzQ1Njc4"


def _long(value: str) -> bool:
    """A token that a row of equal characters opens: what matters stands behind it."""
    return mixed(value[24:])


SERVICES: tuple[Detector, ...] = (
    token(
        "slack",
        "Slack token",
        (("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxo-"), run(f"{ALNUM}\\-", 20, 250)),
        (("xoxe.xoxb-", "xoxe.xoxp-", "xoxd-", "xoxc-"), run(f"{ALNUM}%/+\\-", 40, 300)),
        (("xapp-", "xwfp-"), fixed(DIGIT, 1), "-", run(f"{ALNUM}\\-", 30, 150)),
    ),
    token(
        "slack_hook",
        "Slack webhook",
        ("hooks.slack.com/", ("services/", "workflows/", "triggers/"), run(f"{URL}/", 30, 120)),
        url=True,
    ),
    token(
        "discord",
        "Discord bot token",
        (("M", "N", "O"), run(ALNUM, 22, 27), ".", fixed(URL, 6), ".", run(URL, 27, 40)),
        validate=snowflake,
        seen=r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{12}",
        made=(f"{OWNER}.{characters(ALNUM, 6, 'discord')}.{characters(ALNUM, 38, 'discord')}",),
    ),
    named("discord_secret", "Discord client secret", "discord", (fixed(URL, 32),), (fixed(HEX, 64),)),
    token("telegram", "Telegram bot token", (run(DIGIT, 8, 10), ":AA", run(URL, 32, 36))),
    token(
        "teams_hook",
        "Microsoft Teams webhook",
        ("webhook.office.com/webhookb2/", *UUID, "@", *UUID, "/IncomingWebhook/", fixed(HEX, 32), "/", *UUID),
        url=True,
    ),
    token("twilio", "Twilio account or key id", (("AC", "SK"), fixed(HEX, 32))),
    named("twilio_secret", "Twilio token", "twilio", (fixed(HEX, 32),), (fixed(ALNUM, 32),)),
    token("sendgrid", "SendGrid API key", ("SG.", run(URL, 20, 24), ".", run(URL, 39, 50))),
    token(
        "mailgun", "Mailgun API key", ("key-", fixed(HEX, 32)), (fixed(HEX, 32), "-", fixed(HEX, 8), "-", fixed(HEX, 8))
    ),
    token("mailchimp", "Mailchimp API key", (fixed(HEX, 32), "-us", run(DIGIT, 1, 2))),
    token("mandrill", "Mandrill API key", ("md-", fixed(URL, 22)), validate=mixed),
    token("brevo", "Brevo API key", (("xkeysib-", "xsmtpsib-"), fixed(HEX, 64), "-", run(ALNUM, 16))),
    token("resend", "Resend API key", ("re_", fixed(ALNUM, 8), "_", run(ALNUM, 24))),
    token("mailersend", "MailerSend token", ("mlsn.", fixed(HEX, 64))),
    token(
        "stripe",
        "Stripe key",
        (("sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_org_"), run(ALNUM, 10, 247)),
        ("whsec_", run(f"{BASE64}=", 24, 80)),
    ),
    token("square", "Square token", (("sq0atp-", "sq0csp-", "sq0idp-"), run(URL, 22, 50)), ("EAAA", fixed(URL, 60))),
    token(
        "braintree",
        "PayPal or Braintree token",
        ("access_token$", ("production", "sandbox"), "$", fixed(LOWER, 16), "$", fixed(HEX, 32)),
    ),
    named("paypal", "PayPal secret", "paypal", (run(URL, 80, 80),)),
    token("plaid", "Plaid token", ("access-", ("sandbox-", "development-", "production-"), *UUID)),
    named("plaid_secret", "Plaid secret", "plaid", (fixed(HEX, 30),)),
    token("adyen", "Adyen API key", ("AQE", run(BASE64, 80, 300), "==", run("!-~", 10, 60))),
    token("razorpay", "Razorpay key id", (("rzp_live_", "rzp_test_"), run(ALNUM, 14, 24))),
    token("flutterwave", "Flutterwave key", (("FLWSECK-", "FLWSECK_TEST-"), run(ALNUM, 12, 64))),
    token("coinbase", "Coinbase key name", ("organizations/", *UUID, "/apiKeys/", *UUID)),
    named("binance", "Binance or Coinbase key", "binance|coinbase|bittrex|okx|币安", (fixed(ALNUM, 64),)),
    token("shopify", "Shopify token", (("shpat_", "shpss_", "shpca_", "shppa_", "shptka_"), fixed(HEX, 32))),
    token("easypost", "EasyPost key", (("EZAK", "EZTK"), fixed(ALNUM, 54))),
    token("shippo", "Shippo token", (("shippo_live_", "shippo_test_"), fixed(HEX, 40))),
    token("duffel", "Duffel token", (("duffel_live_", "duffel_test_"), run(URL, 43))),
    token("linear", "Linear API key", ("lin_api_", run(ALNUM, 40)), ("lin_oauth_", fixed(HEX, 64))),
    token("notion", "Notion token", ("ntn_", run(ALNUM, 40, 60)), ("secret_", fixed(ALNUM, 43))),
    token("figma", "Figma token", (("figd_", "figo_", "figu_"), run(URL, 38, 60))),
    token("airtable", "Airtable token", ("pat", fixed(ALNUM, 14), ".", fixed(HEX, 64))),
    named("airtable_old", "Airtable key", "airtable", ("key", fixed(ALNUM, 14))),
    token(
        "asana",
        "Asana token",
        (("0/", "1/", "2/"), run(DIGIT, 13, 17), ":", fixed(HEX, 32)),
        ("2/", run(DIGIT, 13, 17), "/", run(DIGIT, 13, 17), ":", fixed(HEX, 32)),
    ),
    token("hubspot", "HubSpot token", ("pat-", ("na1-", "na2-", "eu1-", "ap1-"), *UUID)),
    token("salesforce", "Salesforce session", ("00D", fixed(ALNUM, 12), "!", run(f"{ALNUM}._", 80, 160))),
    token(
        "zapier",
        "Zapier webhook",
        ("hooks.zapier.com/hooks/catch/", run(DIGIT, 5, 10), "/", run(LOWER, 6, 12)),
        url=True,
    ),
    token("typeform", "Typeform token", ("tfp_", run(URL, 44, 70))),
    token("contentful", "Contentful token", ("CFPAT-", run(URL, 43))),
    token("intercom", "Intercom token", ("dG9r", run(f"{BASE64}=", 56, 60))),
    token("mapbox", "Mapbox token", (("sk.eyJ", "pk.eyJ", "tk.eyJ"), run(URL, 40, 160), ".", run(URL, 20, 30))),
    named("algolia", "Algolia key", "algolia", (fixed(HEX, 32),)),
    named("okta", "Okta token", "okta|ssws", ("00", fixed(URL, 40)), alone="ssws"),
    named("auth0", "Auth0 client secret", "auth0", (run(URL, 48, 64),)),
    token("frameio", "Frame.io token", ("fio-u-", run(URL, 64))),
    token("dropbox", "Dropbox token", ("sl.", run(URL, 130, 1300)), ("sl.u.", run(URL, 130, 1300))),
    named("dropbox_secret", "Dropbox secret", "dropbox", (fixed(LOWER, 15),)),
    token(
        "facebook",
        "Facebook or Instagram token",
        ("EAA", run(ALNUM, 80, 400)),
        (("IGQVJ", "IGAA"), run(ALNUM, 80, 300)),
    ),
    named(
        "facebook_secret",
        "Facebook app secret",
        "facebook|(?<![A-Za-z])fb_|meta_app",
        (fixed(HEX, 32),),
        example="facebook app secret",
    ),
    token("twitter_bearer", "X (Twitter) bearer token", ("A" * 20, run(f"{ALNUM}%", 60, 120)), validate=_long),
    named(
        "twitter",
        "X (Twitter) key",
        "twitter|(?<![A-Za-z])x_api",
        (run(ALNUM, 45, 50),),
        (fixed(ALNUM, 25),),
        (run(DIGIT, 15, 20), "-", run(ALNUM, 30, 45)),
    ),
    named(
        "linkedin",
        "LinkedIn client secret",
        "linkedin",
        (fixed(ALNUM, 16),),
        ("WPL_AP1.", run(f"{ALNUM}.", 16, 40), "=="),
    ),
    named(
        "spotify",
        "Spotify, Twitch or GitHub client secret",
        "spotify|twitch|reddit|github[ _-]client",
        (fixed(HEX, 32),),
        (fixed(LOWER, 30),),
        (fixed(HEX, 40),),
    ),
    named("zoom", "Zoom or Zendesk secret", "zoom|zendesk", (fixed(ALNUM, 32),), (fixed(ALNUM, 40),)),
)
