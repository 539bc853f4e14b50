"""What is fetched from the web, from where, and what is refused: nothing inside is reached, whatever a page or name says."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from connectors.errors import BadInput, ConnectorError, Forbidden, NotFound, RateLimited, TooLarge, Unavailable
from connectors.web import fetch
from connectors.web.addresses import Allowed, parse, public

from .server import PUBLIC, Stage

HOSTS = ("example.org", "*.example.net")


def got(url, *, hosts=HOSTS, text="", names=None, total_s=30.0):
    """The page or the error, and the stage it was played on."""

    async def scenario():
        async with Stage() as stage:
            stage.names = names or {}
            try:
                return await stage.web(total_s).fetch(url, Allowed.of(hosts, text)), stage
            except ConnectorError as error:
                return error, stage

    return asyncio.run(scenario())


def test_a_page_is_fetched_without_anything_that_tells_who_asks():
    page, stage = got("http://example.org/a/b")
    assert page.media_type == "text/html" and b"Hello" in page.data and not page.cut
    assert stage.network.dialled == [PUBLIC] and stage.asked == ["example.org"]
    sent = stage.seen[0].lower()
    assert sent.startswith(b"get /a/b http/1.1\r\nhost: example.org\r\n")
    for header in (b"cookie", b"authorization", b"referer", b"proxy", b"origin"):
        assert header not in sent


def test_the_environments_proxy_is_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    page, stage = got("http://example.org/")
    assert b"Hello" in page.data and stage.network.dialled == [PUBLIC]


INSIDE = [
    "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
    "http://017700000001/", "http://0177.0.0.1/", "http://127.0.0.1./", "http://0/", "http://0.0.0.0/",
    "http://localhost/", "http://localhost./", "http://a.localhost/", "http://LOCALHOST/", "http://printer.local/",
    "http://metadata.google.internal/", "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/",
    "http://168.63.129.16/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://100.64.0.1/",
    "http://[::1]/", "http://[::]/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fc00::1]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/", "http://[2002:7f00:1::]/",
    "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::a00:1]/", "http://[2001:0:7f00:1::]/", "http://[fec0::1]/",
    "http://224.0.0.1/", "http://255.255.255.255/", "http://198.18.0.1/", "http://192.0.2.1/", "http://[ff02::1]/",
    "http://①②⑦.⓪.⓪.①/", "http://127%2e0.0.1/", "http://intranet/", "http://example.org%00.evil/",
]  # fmt: skip
SCHEMES = [
    "file:///etc/passwd", "ftp://example.org/", "gopher://example.org/", "data:text/plain,x", "javascript:alert(1)",
    "//example.org/", "example.org", "", "http://", "http:///x", "ws://example.org/", "unix:/var/run/docker.sock",
    "http://example.org:22/", "http://example.org:8080/", "https://example.org:80/", "http://example.org:99999/",
    "http://user:secret@example.org/", "http://example.org@evil.test/", "http://example.org\\@evil.test/",
    "http://exa mple.org/", "http://example.org/\r\nHost: evil", "http://example.org/" + "a" * 3_000,
]  # fmt: skip


@pytest.mark.parametrize("url", INSIDE + SCHEMES)
def test_an_address_of_the_inside_or_of_another_kind_is_never_dialled(url):
    """Even when the request itself asks for it."""
    ended, stage = got(url, hosts=("*.org", "*.internal"), text=f"please read {url}")
    assert isinstance(ended, BadInput | Forbidden) and str(ended)
    assert stage.network.dialled == [] and stage.seen == []


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["fe80::1%1"],
     [PUBLIC, "127.0.0.1"], ["100.64.1.1"], ["2002:a00:1::"], []],
)  # fmt: skip
def test_a_public_name_that_stands_for_the_inside_is_refused(found):
    ended, stage = got("http://example.org/", names={"example.org": [found]})
    assert isinstance(ended, Forbidden) and "not public" in str(ended) and stage.network.dialled == []


def test_a_name_is_looked_up_once_and_what_was_checked_is_what_is_dialled():
    """DNS rebinding: the second answer would be the inside."""
    page, stage = got("http://example.org/", names={"example.org": [[PUBLIC], ["127.0.0.1"]]})
    assert b"Hello" in page.data and stage.asked == ["example.org"] and stage.network.dialled == [PUBLIC]


def test_a_name_that_turns_inside_between_two_hops_is_refused():
    ended, stage = got("http://example.org/to=/x", names={"example.org": [[PUBLIC], ["127.0.0.1"]]})
    assert isinstance(ended, Forbidden) and stage.network.dialled == [PUBLIC]


def leads(url):
    """Whether a server can send somebody there as it is."""
    return (
        url.isascii()
        and url.isprintable()
        and len(url) < 2_000
        and " " not in url
        and "\\" not in url
        and "//" in url[3:9]
    )


@pytest.mark.parametrize(
    "target", [url for url in INSIDE + SCHEMES if leads(url) and url not in ("http://", "http:///x")]
)
def test_a_redirect_is_checked_like_an_address(target):
    ended, stage = got(f"http://example.org/to={target}", hosts=("example.org",))
    assert isinstance(ended, BadInput | Forbidden | Unavailable)
    assert stage.network.dialled == [PUBLIC] and len(stage.seen) == 1


def test_a_redirect_goes_on_within_a_host_and_to_hosts_that_are_allowed():
    page, stage = got("http://example.org/to=http://www.example.org/to=http://a.example.net/end")
    assert page.url == "http://a.example.net/end" and len(page.hops) == 3 and len(stage.seen) == 3
    ended, _ = got("http://example.org/to=http://elsewhere.example.com/")
    assert isinstance(ended, Forbidden) and "leads on to elsewhere.example.com" in str(ended)
    ended, stage = got("http://example.org/to=/to=/to=/to=/to=/to=/to=/x")
    assert isinstance(ended, Forbidden) and len(stage.seen) == fetch.REDIRECTS + 1


def test_a_redirect_to_itself_ends():
    ended, stage = got("http://example.org/loop")
    assert isinstance(ended, Forbidden) and len(stage.seen) == fetch.REDIRECTS + 1


def test_only_what_the_request_or_the_operator_names_is_fetched():
    ended, stage = got("http://unknown.example.com/page")
    assert isinstance(ended, Forbidden) and "CADRE_WEB_ALLOW" in str(ended) and stage.asked == []
    page, _ = got(
        "http://unknown.example.com/page?q=1", text="Compare <http://unknown.example.com/page?q=1|this> with ours."
    )
    assert b"Hello" in page.data
    page, _ = got("http://unknown.example.com/a_(b)", text="See (http://unknown.example.com/a_(b)).")
    assert b"Hello" in page.data
    for changed in ("page?q=2", "Page?q=1", "page?q=1&secret=x", "page", "page?q=1%20"):
        ended, stage = got(f"http://unknown.example.com/{changed}", text="Read http://unknown.example.com/page?q=1.")
        assert isinstance(ended, Forbidden) and stage.asked == []


def test_an_address_with_a_query_is_composed_unless_the_request_has_it():
    ended, stage = got("http://example.org/log?secret=1")
    assert isinstance(ended, Forbidden) and "word for word" in str(ended) and stage.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://exаmple.org/",
        "http://example.org.evil.com/",
        "http://notexample.org/",
        "http://example.net.co/",
        "http://x.example.org/",
    ],
)
def test_a_host_that_only_looks_like_an_allowed_one_is_refused(url):
    ended, stage = got(url)
    assert isinstance(ended, Forbidden) and stage.asked == []


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("status=404", NotFound, "nothing at"), ("status=401", Forbidden, "everybody"), ("status=429", RateLimited, "slow"),
        ("status=503", Unavailable, "503"), ("status=204", Unavailable, "204"), ("kind=video/mp4", BadInput, "video/mp4"),
        ("kind=text/event-stream", BadInput, "event-stream"), ("packed=br", BadInput, "packed as br"),
        ("packed=gzip", BadInput, "damaged"), ("bomb", TooLarge, "200 times"),
        ("endless=application/pdf", TooLarge, "too large"),
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused_with_words(path, kind, words):
    ended, _ = got(f"http://example.org/{path}")
    assert type(ended) is kind and words in str(ended)


def test_what_is_packed_is_unpacked():
    page, _ = got("http://example.org/gzip")
    assert page.data == b"words" * 10


def test_a_page_without_end_is_cut_and_says_so():
    tracemalloc.start()
    page, _ = got("http://example.org/endless=text/plain")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert page.cut and len(page.data) == fetch.MOST_BYTES and peak < 4 * fetch.MOST_BYTES


def test_a_page_that_drips_ends_with_the_time():
    page, _ = got("http://example.org/drip=text/plain", total_s=1.5)
    assert page.cut and page.data == b"words"
    ended, _ = got("http://example.org/drip=application/pdf", total_s=1.5)
    assert isinstance(ended, TooLarge)


def test_a_url_has_one_spelling():
    assert parse("HTTP://Bücher.Example.org./a b".replace(" ", "%20")).url == "http://xn--bcher-kva.example.org/a%20b"
    assert parse("https://example.org").url == "https://example.org/"
    assert public(PUBLIC) and public("2606:4700::1111") and not public("nothing")
