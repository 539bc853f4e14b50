"""Errors in the two shapes that Google answers with: Drive's list of reasons and the status of newer services."""

from __future__ import annotations

from typing import Any

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_REASON = {
    400: "badRequest",
    401: "required",
    403: "insufficientFilePermissions",
    404: "notFound",
    409: "fileIdInUse",
    412: "conditionNotMet",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    503: "backendError",
}


class GoogleError(Exception):
    """Something the caller must be told; `reason` and `location` are shown by Drive only."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        domain: str = "global",
        location: tuple[str, str] | None = None,
        violations: list[tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or _REASON.get(code, "backendError")
        self.location = location
        self.domain = domain
        self.violations = violations or []

    def body(self, *, older: bool) -> dict[str, Any]:
        """The JSON answer: `older` chooses the shape with its list of errors."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if older:
            one: dict[str, Any] = {"message": self.message, "domain": self.domain, "reason": self.reason}
            if self.location:
                one["locationType"], one["location"] = self.location
            error["errors"] = [one]
        if not older or self.code in (400, 401, 429, 501):
            error["status"] = _STATUS.get(self.code, "UNKNOWN")
        if self.violations:
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": f, "description": d} for f, d in self.violations],
                }
            ]
        return {"error": error}


def file_not_found(file_id: str) -> GoogleError:
    """What Drive says both when a file is absent and when the caller may not see it."""
    return GoogleError(404, f"File not found: {file_id}.", location=("parameter", "fileId"))


def invalid(message: str) -> GoogleError:
    """A well-formed request that asks for something impossible."""
    return GoogleError(400, message, reason="invalid")
