"""Where a file lies, what it is called and who may open it: changes that Drive itself can repeat safely."""

from __future__ import annotations

from typing import Any

from connectors.errors import BadInput, ConflictError
from connectors.google.changes import Applied, FileMove, FileShare, Preview
from connectors.google.docs import digest
from connectors.google.services import Services

MOVE_PROPERTY = "cadreMove"
ROLES = ("reader", "commenter", "writer")
_FIELDS = "id,name,parents,webViewLink,appProperties"
_PERMISSIONS = "nextPageToken,permissions(id,type,role,emailAddress,domain)"


class Moves:
    """Writes of kind FileMove."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def _get(self, file_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._services.read(
            "drive", lambda s: s.files().get(fileId=file_id, fields=_FIELDS, supportsAllDrives=True), file_id
        )
        return found

    async def preview(self, change: FileMove, sha256: str) -> Preview:
        """Where the file is now and where it would be."""
        if not (change.folder or change.title.strip()):
            raise BadInput("A move needs a folder, a new name, or both.")
        file = await self._get(change.file_id)
        folders = [await self._get(one) for one in [*file.get("parents", []), change.folder] if one]
        names = {one["id"]: one["name"] for one in folders}
        pre = {"name": file["name"], "parents": file.get("parents", [])}
        post: dict[str, Any] = {"title": file["name"]}
        if change.title:
            post["new_name"] = change.title
        if change.folder:
            post |= {"from": [names[one] for one in pre["parents"]], "to": names[change.folder]}
        return Preview(file["name"], file["name"], file.get("webViewLink"), _place(file), pre, post, sha256)

    async def find(self, op_key: str, change: FileMove) -> Applied | None:
        """The file if this operation was the last to move it."""
        file = await self._get(change.file_id)
        mark = file.get("appProperties", {}).get(MOVE_PROPERTY)
        return _applied(file, already=True) if mark in (digest(op_key), digest(_undone(op_key))) else None

    async def apply(self, change: FileMove, op_key: str, expected: str | None) -> Applied:
        """Moves it in one request, which is safe to repeat."""
        if done := await self.find(op_key, change):
            return done
        file = await self._get(change.file_id)
        if expected and _place(file) != expected:
            raise ConflictError(f"{file['name']} was moved or renamed since the preview.")
        folders = [change.folder] if change.folder else None
        return await self._put(file, op_key, change.title or file["name"], folders)

    async def _put(self, file: dict[str, Any], key: str, name: str, folders: list[str] | None) -> Applied:
        body = {"name": name, "appProperties": {MOVE_PROPERTY: digest(key)}}
        given: dict[str, Any] = {"fileId": file["id"], "body": body, "fields": _FIELDS, "supportsAllDrives": True}
        if folders is not None:
            have = file.get("parents", [])
            given["addParents"] = ",".join(one for one in folders if one not in have)
            given["removeParents"] = ",".join(one for one in have if one not in folders)
        asked = {k: v for k, v in given.items() if v != ""}
        made = await self._services.write("drive", lambda s: s.files().update(**asked), file["name"])
        return _applied(made, already=False)

    async def undo(self, change: FileMove, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """Back to its folder and its name."""
        file = await self._get(change.file_id)
        if file.get("appProperties", {}).get(MOVE_PROPERTY) == digest(_undone(op_key)):
            return
        if _place(file) != done.revision:
            raise ConflictError(f"{file['name']} was moved or renamed by someone since, so it stays where it is.")
        await self._put(file, _undone(op_key), pre_image["name"], pre_image["parents"] if change.folder else None)


class Shares:
    """Writes of kind FileShare. One address has one permission on a file, so giving it twice gives it once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def _now(self, change: FileShare) -> dict[str, Any] | None:
        """The permission that this person, domain or everybody has by the file itself, if any."""
        asked: dict[str, Any] = {"fileId": change.file_id, "fields": _PERMISSIONS, "supportsAllDrives": True}
        while True:
            page = await self._services.read("drive", lambda s: s.permissions().list(**asked), change.file_id)
            for one in page.get("permissions", []):
                if _is_for(one, change.who):
                    return dict(one)
            if not page.get("nextPageToken"):
                return None
            asked["pageToken"] = page["nextPageToken"]

    async def preview(self, change: FileShare, sha256: str) -> Preview:
        """Who would be able to do what."""
        if change.role not in ROLES:
            raise BadInput(f"Access is one of {', '.join(ROLES)}.")
        file = await self._services.read(
            "drive",
            lambda s: s.files().get(fileId=change.file_id, fields="id,name,webViewLink", supportsAllDrives=True),
            change.file_id,
        )
        now = await self._now(change)
        if now and now["role"] == change.role:
            raise BadInput(f"{change.who} already has access to {file['name']} as {change.role}.")
        if now and now["role"] == "owner":
            raise BadInput(f"{change.who} owns {file['name']}.")
        post = {"title": file["name"], "who": change.who, "role": change.role, "had": now["role"] if now else ""}
        pre = {"permission": now}
        return Preview(file["name"], file["name"], file.get("webViewLink"), _role(now), pre, post, sha256)

    async def find(self, op_key: str, change: FileShare) -> Applied | None:
        """The access if it is there; who gave it does not matter."""
        now = await self._now(change)
        return self._applied(change, now, already=True) if now and now["role"] == change.role else None

    def _applied(self, change: FileShare, now: dict[str, Any], *, already: bool) -> Applied:
        return Applied(change.file_id, "", _role(now), already)

    async def apply(self, change: FileShare, op_key: str, expected: str | None) -> Applied:
        """Gives the access, without a mail from Google: a second one could not be called back."""
        now = await self._now(change)
        if now and now["role"] == change.role:
            return self._applied(change, now, already=True)
        if expected and _role(now) != expected:
            raise ConflictError(f"The access of {change.who} was changed since the preview.")
        kind = "anyone" if change.who == "anyone" else "user" if "@" in change.who else "domain"
        body = {"type": kind, "role": change.role}
        body |= {"user": {"emailAddress": change.who}, "domain": {"domain": change.who}}.get(kind, {})
        asked: dict[str, Any] = {"fileId": change.file_id, "body": body, "fields": "id,type,role,emailAddress,domain"}
        if kind == "user":
            asked["sendNotificationEmail"] = False
        made = await self._services.write(
            "drive", lambda s: s.permissions().create(**asked, supportsAllDrives=True), change.who
        )
        return self._applied(change, made, already=False)

    async def undo(self, change: FileShare, op_key: str, done: Applied, pre_image: dict[str, Any]) -> None:
        """The access as it was before: none, or another role."""
        before, now = pre_image["permission"], await self._now(change)
        if _role(now) == _role(before):
            return
        if now is None or _role(now) != done.revision:
            raise ConflictError(f"The access of {change.who} was changed by someone since, so it stays.")
        at = {"fileId": change.file_id, "permissionId": now["id"], "supportsAllDrives": True}
        if before is None:
            await self._services.write("drive", lambda s: s.permissions().delete(**at), change.who)
        else:
            body = {"role": before["role"]}
            await self._services.write("drive", lambda s: s.permissions().update(**at, body=body), change.who)


def _undone(op_key: str) -> str:
    return f"undo {op_key}"


def _place(file: dict[str, Any]) -> str:
    return f"{','.join(sorted(file.get('parents', [])))}/{file['name']}"


def _applied(file: dict[str, Any], *, already: bool) -> Applied:
    return Applied(file["id"], file.get("webViewLink", ""), _place(file), already)


def _role(permission: dict[str, Any] | None) -> str:
    return str(permission["role"]) if permission else "none"


def _is_for(permission: dict[str, Any], who: str) -> bool:
    if permission["type"] == "anyone":
        return who == "anyone"
    named = permission.get("emailAddress") or permission.get("domain") or ""
    return bool(named.casefold() == who.casefold())
