"""One secret, and what is derived from it: encryption of what is kept, keyed digests, signatures.

Replicas that share a Redis share the secret (MUSLIN_SECRET). Where none is given one is made and kept in the data folder,
readable by the service's own user only.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LEAST_BYTES: Final = 32
NONCE_BYTES: Final = 12
FORM: Final = b"\x01"
"""First byte of what is sealed; a change of the form needs another."""


class SecretError(Exception):
    """The secret cannot be used; a sentence that does not tell it."""


class Unreadable(Exception):
    """Sealed with another secret, for another place, or damaged."""


class Secrets:
    """Everything that needs the secret. Two with the same secret can read one another."""

    def __init__(self, master: bytes) -> None:
        """Raises SecretError when it is too short to be one."""
        if len(master) < LEAST_BYTES:
            raise SecretError(f"MUSLIN_SECRET must be at least {LEAST_BYTES} random bytes in base64; `muslin keys secret` makes one.")
        self._master = master
        self._box = AESGCM(self._derive("box"))
        self._digests = self._derive("digests")
        self._signer = Ed25519PrivateKey.from_private_bytes(self._derive("signatures"))
        public = self._signer.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public_key: Final = public
        """32 bytes, Ed25519 (RFC 8032): with it anyone can verify `sign`."""
        self.key_id: Final = hashlib.sha256(public).hexdigest()[:16]

    def _derive(self, purpose: str) -> bytes:
        return HKDF(hashes.SHA256(), 32, salt=None, info=f"muslin:1:{purpose}".encode()).derive(self._master)

    def seal(self, place: str, value: bytes) -> bytes:
        """Encrypts (AES-256-GCM); it can be opened at the same `place` only: one record cannot pose as another."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORM + nonce + self._box.encrypt(nonce, value, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes:
        """Raises Unreadable."""
        if sealed[:1] != FORM:
            raise Unreadable("The form is unknown.")
        try:
            return self._box.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], place.encode())
        except (InvalidTag, ValueError):
            raise Unreadable("The seal is broken.") from None

    def digest(self, *parts: bytes | str) -> str:
        """40 hexadecimal digits that nobody without the secret can compute, not even of a photo that they have."""
        state = hmac.new(self._digests, digestmod=hashlib.sha256)
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            state.update(len(data).to_bytes(8, "little"))
            state.update(data)
        return state.hexdigest()[:40]

    def sign(self, message: bytes) -> bytes:
        """Ed25519, 64 bytes."""
        return self._signer.sign(message)


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` was made of `message` by the owner of `public_key`; needs no secret."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def new_secret() -> str:
    """For MUSLIN_SECRET."""
    return base64.b64encode(secrets.token_bytes(LEAST_BYTES)).decode()


def read_secret(given: str | None, folder: Path) -> bytes:
    """The given secret, else the one in `folder`, which is made where there is none.

    Raises SecretError, and OSError when the folder cannot be written.
    """
    if given is not None:
        return _decoded(given)
    path = folder / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # written whole under another name first: a second process never sees half of it
        draft = folder / f"secret.{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(new_secret())
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return _decoded(path.read_text())


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError("MUSLIN_SECRET is not base64; `muslin keys secret` makes one.") from None
