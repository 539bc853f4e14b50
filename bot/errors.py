"""The error tree. Each class says who must act; its docstring is the default sentence a person reads.

CadreError
├── ModelMustRetry      the model: its call was wrong and it may try again with the diagnosis
├── OperatorMustFix     whoever runs Cadre: configuration, credentials, a missing server
├── DependencyFailed    nobody yet: a service failed, retrying within the budget is right
├── RunFailed           the requester: the run ended, with a kind and a plain sentence
└── Fenced              nobody: another worker has taken over, this activation must leave quietly
"""

from __future__ import annotations


class CadreError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class ModelMustRetry(CadreError):
    """The call was not understood; correct it and call again."""


class OperatorMustFix(CadreError):
    """Cadre is not set up for this; its operator has to act."""


class DependencyFailed(CadreError):
    """A service that this needs did not answer properly."""

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RunFailed(CadreError):
    """The run ended without a result."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Fenced(CadreError):
    """Another worker owns this agent now."""
