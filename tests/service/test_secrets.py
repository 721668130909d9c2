"""What is derived from the secret."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.secrets import SecretError, Secrets, Unreadable, new_secret, read_secret, verify

MASTER = bytes(range(32))


def test_what_is_sealed_opens_at_its_place_with_the_same_secret_only() -> None:
    secrets = Secrets(MASTER)
    sealed = secrets.seal("here", b"photo")
    assert b"photo" not in sealed
    assert Secrets(MASTER).open("here", sealed) == b"photo"
    assert secrets.seal("here", b"photo") != sealed
    for wrong in (sealed[:-1], sealed[:3], b"", b"\x02" + sealed[1:], bytes(40)):
        with pytest.raises(Unreadable):
            secrets.open("here", wrong)
    with pytest.raises(Unreadable):
        secrets.open("there", sealed)
    with pytest.raises(Unreadable):
        Secrets(bytes(32)).open("here", sealed)


def test_digests_are_keyed_and_tell_apart_where_parts_end() -> None:
    one, other = Secrets(MASTER), Secrets(bytes(32))
    assert one.digest("ab", "c") != one.digest("a", "bc")
    assert one.digest("ab") == one.digest(b"ab") == Secrets(MASTER).digest("ab") != other.digest("ab")


def test_signatures_are_verified_without_the_secret() -> None:
    secrets = Secrets(MASTER)
    signature = secrets.sign(b"erased")
    assert verify(secrets.public_key, signature, b"erased")
    assert not verify(secrets.public_key, signature, b"kept")
    assert not verify(Secrets(bytes(32)).public_key, signature, b"erased")
    assert not verify(b"short", signature, b"erased")


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: read_secret(None, folder), range(16)))
    assert len(found) == 1
    (secret,) = found
    assert len(secret) == 32
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret"]
    assert read_secret(new_secret(), folder) != secret


@pytest.mark.parametrize("given", ["not base64!", base64.b64encode(b"short").decode(), ""])
def test_a_bad_secret_is_refused_without_being_told(given: str, tmp_path: Path) -> None:
    with pytest.raises(SecretError) as refused:
        Secrets(read_secret(given, tmp_path))
    assert not given or given not in str(refused.value)
