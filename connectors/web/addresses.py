"""Which addresses may be fetched: how a URL is spelt, which hosts are allowed, which networks stand behind a name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import idna

from connectors.errors import BadInput, Forbidden

PORTS = {"http": 80, "https": 443}
MOST = 2_000  # characters of a URL
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
# Names that mean this machine or its surroundings wherever they are asked for.
_INNER = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion", "test", "invalid")
# Networks in which an address carries another one, or that reach further than they seem to.
_WRAPPED = tuple(map(ipaddress.ip_network, (
    "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
    "2002::/16", "fec0::/10", "5f00::/16", "3fff::/20", "192.88.99.0/24", "168.63.129.16/32",
)))  # fmt: skip


@dataclass(frozen=True)
class Address:
    """A URL in one spelling; a port is there only when it is the scheme's own."""

    scheme: str
    host: str
    target: str  # path and query

    @property
    def port(self) -> int:
        return PORTS[self.scheme]

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{self.target}"

    @property
    def composed(self) -> bool:
        """Whether it carries a query, in which anything could be written."""
        return "?" in self.target


def parse(url: str) -> Address:
    """The address of a URL. Raises BadInput for what is no plain web address."""
    if len(url) > MOST or any(ord(sign) < 33 or ord(sign) == 127 or sign == "\\" for sign in url):
        raise BadInput(f"{url[:120]!r} is not a web address: it is too long or holds blanks or control signs.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"{url[:120]!r} is not a web address: {error}.") from error
    if parts.scheme not in PORTS:
        raise BadInput(f"{url[:120]!r} is not fetched: only http and https are.")
    if "@" in parts.netloc:
        raise BadInput(f"{url[:120]!r} is not fetched: it carries a name or a password.")
    if port not in (None, PORTS[parts.scheme]):
        raise BadInput(f"{url[:120]!r} is not fetched: only the usual ports are.")
    host = _host(parts.hostname or "", url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return Address(parts.scheme, host, path + query)


def public(address: str) -> bool:
    """Whether an IP address belongs to the public internet and to nothing that is reached from inside."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id is not None:
        return False
    if any(ip in network for network in _WRAPPED if network.version == ip.version):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


@dataclass(frozen=True)
class Allowed:
    """What may be fetched: the operator's hosts, and the addresses that stand in the request."""

    hosts: tuple[str, ...] = ()  # `example.org` is that host, `*.example.org` also all below it
    urls: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hosts: Iterable[str], text: str) -> Allowed:
        """With the addresses that stand word for word in a text."""
        return cls(tuple(hosts), frozenset(_found(text)))

    def check(self, address: Address) -> None:
        """Raises Forbidden for an address that nobody allowed."""
        if address.url in self.urls:
            return
        if not self._host(address.host):
            raise Forbidden(
                f"{address.host} is not fetched: the address does not stand in the request, and the operator has not "
                "allowed this host (CADRE_WEB_ALLOW)."
            )
        if address.composed:
            raise Forbidden(
                f"{address.url[:200]} is not fetched: with a query it must stand in the request word for word."
            )

    def follows(self, before: Address, after: Address) -> None:
        """Raises Forbidden for a redirect that leads elsewhere."""
        if before.scheme == "https" and after.scheme == "http":
            raise Forbidden(f"{before.host} leads on to an address without encryption, which is not followed.")
        same = before.host.removeprefix("www.") == after.host.removeprefix("www.")
        if not (same or self._host(after.host) or after.url in self.urls):
            raise Forbidden(
                f"{before.host} leads on to {after.host}, which is not allowed; ask for {after.url[:200]}."
            )

    def _host(self, host: str) -> bool:
        return any(
            host == entry.removeprefix("*.") or (entry.startswith("*.") and host.endswith(entry[1:]))
            for entry in self.hosts
        )


def _found(text: str) -> Iterable[str]:
    for match in re.finditer(r"https?://[^\s<>|\"'`]+", text):
        url = match[0].rstrip(".,;:!?")
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1].rstrip(".,;:!?")
        try:
            yield parse(url.replace("&amp;", "&")).url
        except BadInput:
            continue


def _host(host: str, url: str) -> str:
    """A host in one spelling. Raises BadInput for odd spellings of addresses and for names of the inside."""
    wrong = BadInput(f"{url[:120]!r} is not fetched: its host is no public name.")
    if ":" in host or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            raise wrong from None
        if str(ip) != host or not public(host):
            raise wrong
        return host
    try:
        plain = idna.encode(host.rstrip("."), uts46=True).decode().lower() if not host.isascii() else host.lower()
    except idna.IDNAError:
        raise wrong from None
    plain = plain.removesuffix(".")
    labels = plain.split(".")
    if len(plain) > 253 or len(labels) < 2 or labels[-1] in _INNER or not all(map(_LABEL.fullmatch, labels)):
        raise wrong
    if _NUMBER.fullmatch(labels[-1]):
        raise wrong
    return plain
