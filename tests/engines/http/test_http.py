"""The engine `http`: what reaches an application, and what comes of its answers."""

from __future__ import annotations

import asyncio

import pytest
from tests.engines.http.asking import BODY, KEY, Application, asked, loaded

from yumen import CannotStart, EngineError, Native
from yumen_engines.http import HttpConfig


async def test_the_payload_goes_through_byte_for_byte(application: Application) -> None:
    """The body arrives as the chain gave it, and the reply's bytes come back."""
    application.body = b'{ "amount": 1.10 }'
    async with loaded(application.url) as engine:
        reply = await engine.generate(asked())
    assert (reply.status, reply.body, application.bodies) == (200, b'{ "amount": 1.10 }', [BODY])


async def test_the_application_gets_the_engine_s_credential_and_little_else(application: Application) -> None:
    """Exactly these headers are sent."""
    async with loaded(application.url) as engine:
        await engine.generate(asked())
    headers = {name.lower(): value for name, value in application.asked[0].headers.items()}
    assert headers.pop("user-agent").startswith("yumen/")
    assert headers == {
        "host": application.url.removeprefix("http://"),
        "content-length": str(len(BODY)),
        "content-type": "application/json",
        "accept": "application/json",
        "authorization": f"Bearer {KEY}",
    }


@pytest.mark.parametrize(
    ("base", "path", "arrives"),
    [
        ("", "crm/tickets/7", "/tickets/7"),
        ("/", "crm/tickets/7", "/tickets/7"),
        ("/api", "crm/tickets/7", "/api/tickets/7"),
        ("/api/", "crm", "/api/"),
        ("/api", "crm/", "/api/"),
        ("", "crm/%3CCN_MOBILE_0123456789%3E/notes", "/%3CCN_MOBILE_0123456789%3E/notes"),
        ("", "crm/%E5%BC%A0%E4%BC%9F", "/%E5%BC%A0%E4%BC%9F"),
    ],
)
async def test_what_stands_behind_the_app_s_name_is_added_to_the_url(
    application: Application, base: str, path: str, arrives: str
) -> None:
    """The app's own name is not sent on, and what follows it arrives as it is spelt; no version is added."""
    async with loaded(application.url + base) as engine:
        await engine.generate(asked(path))
    assert (application.asked[0].method, application.asked[0].raw_path) == ("POST", arrives)


@pytest.mark.parametrize("path", ["crm/../admin", "crm/a/%2E%2e/b", "crm/.", "crm/..\\admin", "crm/.%2E"])
async def test_no_path_leads_out_of_the_base_url(application: Application, path: str) -> None:
    """A segment that a server would resolve upwards is never sent, whoever wrote it."""
    async with loaded(application.url + "/api") as engine:
        with pytest.raises(EngineError, match="leads out"):
            await engine.generate(asked(path))
    assert not application.asked


@pytest.mark.parametrize("status", [200, 201, 202, 400, 404, 409, 422])
@pytest.mark.parametrize("body", [b'{"id":1}', b"[]", b'"\xe4\xbd\xa0\xe5\xa5\xbd"'])
async def test_what_the_application_says_is_handed_on(application: Application, status: int, body: bytes) -> None:
    """Status and body of an answer to the client's request are its own."""
    application.status, application.body = status, body
    async with loaded(application.url) as engine:
        assert await engine.generate(asked()) == Native(status, body, {})


async def test_nothing_is_an_answer(application: Application) -> None:
    """A reply without a body, as a 204 is, is passed on empty."""
    application.status, application.body = 204, b""
    async with loaded(application.url) as engine:
        assert await engine.generate(asked()) == Native(204, b"", {})


@pytest.mark.parametrize("status", [301, 307, 401, 403, 408, 500, 502, 503, 504])
async def test_what_is_not_the_client_s_business_stays_here(application: Application, status: int) -> None:
    """Answers that say something about gateway and application become engine errors, with no word of their bodies."""
    application.status, application.body = status, b'{"internal":"secret"}'
    application.headers = {"location": "/elsewhere"}
    async with loaded(application.url) as engine:
        with pytest.raises(EngineError) as caught:
            await engine.generate(asked())
    assert "secret" not in str(caught.value)
    assert caught.value.timeout == (status in (408, 504))
    assert len(application.asked) == 1


async def test_a_delay_is_passed_on(application: Application) -> None:
    """`retry-after` reaches the core; no other header does."""
    application.status, application.headers = 429, {"retry-after": "7", "x-internal": "yes"}
    async with loaded(application.url) as engine:
        reply = await engine.generate(asked())
    assert (reply.status, dict(reply.headers)) == (429, {"retry-after": "7"})


async def test_nothing_is_sent_twice_unless_policy_says_so(application: Application) -> None:
    """Without `retries` a failed request is not repeated; with it, it is repeated where the answer says that it may."""
    application.status, application.count = 503, 1
    async with loaded(application.url) as engine:
        with pytest.raises(EngineError):
            await engine.generate(asked())
    assert len(application.asked) == 1
    application.count = 2
    async with loaded(application.url, retries=1) as engine:
        assert (await engine.generate(asked())).status == 200
    assert application.bodies == [BODY] * 3


async def test_a_reply_that_is_too_long_is_none(application: Application) -> None:
    """`reply_bytes_max` holds."""
    application.body = b'"' + b"x" * 100 + b'"'
    async with loaded(application.url, reply_bytes_max=101) as engine:
        with pytest.raises(EngineError, match="reply_bytes_max"):
            await engine.generate(asked())
    async with loaded(application.url, reply_bytes_max=102) as engine:
        assert (await engine.generate(asked())).body == application.body


async def test_an_application_that_is_not_there_is_named_in_health() -> None:
    """Three failures to connect in a row make the engine unhealthy."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with loaded(f"http://127.0.0.1:{port}") as engine:
        assert await engine.health() == ""
        for _ in range(3):
            with pytest.raises(EngineError, match="cannot connect"):
                await engine.generate(asked())
        assert "cannot connect" in await engine.health()


@pytest.mark.parametrize("url", ["", "crm", "ftp://crm", "http://user:pw@crm/", "http://crm/?a=b", "http://crm/#a"])
async def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    """The engine does not start with it, and does not show what stands in it."""
    with pytest.raises(CannotStart) as caught:
        async with loaded(url):
            pass
    assert "pw" not in str(caught.value)


def test_a_repr_shows_no_credential() -> None:
    """Key and proxy stand in no log."""
    config = HttpConfig(base_url="http://u:pw@crm/x", api_key=KEY, proxy="http://u:pw@proxy")
    assert repr(config) == "HttpConfig(base_url='http://crm')"
