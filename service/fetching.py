"""The only way out: pictures by their address, and webhooks. Closed unless hosts are named in the settings.

An address that a stranger sends could be anybody's inside the network (SSRF). So: https only, a named host only, the host's addresses
looked up here, every one of them public, and the connection made to the very address that was checked. A redirect is a new address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from service.errors import FetchFailed, FetchRefused

REDIRECTS_MOST: Final = 3
TIMEOUT_S: Final = 10.0
CONNECT_S: Final = 5.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]


async def look_up(host: str, port: int) -> list[str]:
    """All addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: Address) -> bool:
    """Whether it is somewhere on the internet: not this machine, not a network of ours, not a cloud's metadata."""
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if mapped is not None:
        address = mapped
    return address.is_global and not address.is_multicast and not address.is_reserved


@dataclass(frozen=True, slots=True)
class Outside:
    """What the tests replace, to have an outside of their own."""

    resolve: Resolve = look_up
    allowed: Callable[[Address], bool] = is_public
    trust: ssl.SSLContext | None = None


class Fetcher:
    def __init__(self, hosts: str, outside: Outside | None = None) -> None:
        """`hosts`: separated by commas; *.example.com for all below; with a port where it is not 443."""
        self._hosts = frozenset(host.strip().lower() for host in hosts.split(",") if host.strip())
        self._outside = outside or Outside()

    def check(self, url: str) -> SplitResult:
        """Raises FetchRefused for an address that is not to be asked; looks nothing up yet."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port or 443
        except ValueError:
            raise FetchRefused("This is no address.") from None
        if parts.scheme != "https" or not host or parts.username is not None or not url.isascii() or any(c.isspace() for c in url):
            raise FetchRefused("Only https addresses are asked, without a user name.")
        names = {host, *(f"*.{host.partition('.')[2]}" for _ in (1,) if "." in host)}
        wanted = names if port == 443 else {f"{name}:{port}" for name in names}
        if not wanted & self._hosts:
            raise FetchRefused("This host is not among those that may be asked (MUSLIN_FETCH_HOSTS).")
        return parts

    async def get(self, url: str, max_bytes: int) -> bytes:
        """Raises FetchRefused, FetchFailed."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                for _ in range(REDIRECTS_MOST + 1):
                    status, headers, content = await self._ask("GET", url, max_bytes)
                    if status not in REDIRECTS:
                        break
                    url = urljoin(url, headers.get("location", ""))
                else:
                    raise FetchFailed("The address leads from one to the next.")
        except TimeoutError:
            raise FetchFailed(f"The address did not answer within {TIMEOUT_S:g} seconds.") from None
        if status != 200:
            raise FetchFailed(f"The address answered {status}.")
        return content

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        """The status; redirects are not followed. Raises FetchRefused, FetchFailed."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, _, _ = await self._ask("POST", url, 0, content, headers)
        except TimeoutError:
            raise FetchFailed(f"The address did not answer within {TIMEOUT_S:g} seconds.") from None
        return status

    async def _ask(
        self, method: str, url: str, max_bytes: int, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, httpx.Headers, bytes]:
        parts = self.check(url)
        host, port = parts.hostname or "", parts.port or 443
        address = await self._address(host, port)
        shown = f"[{address}]" if ":" in address else address
        pinned = parts._replace(netloc=f"{shown}:{port}", fragment="").geturl()
        trust = self._outside.trust or ssl.create_default_context()
        try:
            async with (
                httpx.AsyncClient(verify=trust, trust_env=False, timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S)) as client,
                client.stream(
                    method,
                    pinned,
                    content=content,
                    headers={"Host": parts.netloc, "User-Agent": "Muslin", "Accept-Encoding": "identity", **(headers or {})},
                    extensions={"sni_hostname": host},
                ) as answer,
            ):
                body = bytearray()
                if method == "GET" and answer.status_code == 200:
                    async for chunk in answer.aiter_bytes():
                        body += chunk
                        if len(body) > max_bytes:
                            raise FetchFailed(f"What the address answers is larger than {max_bytes / 1e6:.0f} MB.")
                return answer.status_code, answer.headers, bytes(body)
        except httpx.HTTPError as error:
            raise FetchFailed(f"The address could not be reached ({type(error).__name__}).") from error

    async def _address(self, host: str, port: int) -> str:
        """One that may be asked. All must be: of a host that has both, the client of another library might take the other."""
        try:
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in await self._outside.resolve(host, port)]
        except (OSError, ValueError):
            raise FetchFailed("The host is not known.") from None
        if not found or not all(self._outside.allowed(address) for address in found):
            raise FetchRefused("The host is not on the public internet.")
        return str(found[0])
