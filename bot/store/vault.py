"""Encryption at rest: what is sealed under one place opens only there, with a key that is not in the database."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.errors import OperatorMustFix

KEY_BYTES = 32
NONCE_BYTES = 12
MARK_BYTES = 4  # of a key's hash, so that older keys still open what they sealed
FILE = "secret.key"


class Vault:
    """Seals with the first key, opens with any."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = {hashlib.sha256(key).digest()[:MARK_BYTES]: AESGCM(key) for key in keys}
        self._first = next(iter(self._ciphers))

    @classmethod
    def open_home(cls, home: Path, given: str) -> Vault:
        """The keys of CADRE_SECRET_KEY, the newest first; without it that of a file beside the store, made once."""
        return cls(_given(given) if given else (_kept(home / FILE),))

    def seal(self, value: Any, *place: str) -> bytes:
        """A JSON value, encrypted for one place: the table, the workspace, the row's key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        data = json.dumps(value, ensure_ascii=False).encode()
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, data, _where(place))

    def open(self, sealed: bytes, *place: str) -> Any:
        """The value again. Raises OperatorMustFix when no key fits, or when it was sealed for another place."""
        mark, rest = sealed[:MARK_BYTES], sealed[MARK_BYTES:]
        cipher = self._ciphers.get(mark)
        try:
            if cipher is None:
                raise InvalidTag
            return json.loads(cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _where(place)))
        except InvalidTag as error:
            raise OperatorMustFix(
                f"A secret in the store does not open with this key. Restore CADRE_HOME/{FILE}, or give the key it "
                "was sealed with as a further one in CADRE_SECRET_KEY (new,old)."
            ) from error


def _where(place: tuple[str, ...]) -> bytes:
    return json.dumps(place).encode()


def _given(text: str) -> tuple[bytes, ...]:
    keys = []
    for number, word in enumerate(text.replace(",", " ").split(), 1):
        try:
            key = base64.b64decode(word, altchars=b"-_", validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise OperatorMustFix(
                f"CADRE_SECRET_KEY: key {number} is not {KEY_BYTES} bytes in base64. Make one with: "
                'python -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"'
            )
        keys.append(key)
    return tuple(keys)


def _kept(path: Path) -> bytes:
    """The key of a file that only its owner can read; made when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(handle)
    if path.stat().st_mode & 0o077:
        raise OperatorMustFix(f"{path} can be read by others. Make it yours alone: chmod 600 {path}")
    key = base64.b64decode(path.read_bytes())
    if len(key) != KEY_BYTES:
        raise OperatorMustFix(
            f"{path} does not hold a key; restore it, or remove it when nothing was sealed with it."
        )
    return key
