"""Proofs that whoever sends a token holds the key it is bound to (RFC 9449)."""

import base64
import hashlib
import json
import secrets
import time
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ALGORITHM = "ES256"


def new_key() -> str:
    """A key for one grant, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def proof(pem: str, method: str, url: str, *, nonce: str | None = None, token: str | None = None) -> str:
    """A proof for one request; `token` where it accompanies one."""
    key, public = _loaded(pem)
    claims = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": urlunsplit(urlsplit(url)._replace(query="", fragment="")),
        "iat": int(time.time()),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if token is not None:
        claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": "dpop+jwt", "jwk": public})


@lru_cache(maxsize=256)
def _loaded(pem: str) -> tuple[Any, dict[str, Any]]:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))  # type: ignore[arg-type]
    return key, public
