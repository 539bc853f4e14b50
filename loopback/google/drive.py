"""Drive v3: listing, metadata, content, copies, permissions, revisions and changes."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Callable
from typing import Any

from loopback.google import markup
from loopback.google.calls import Answer, Bytes, Call, Handler
from loopback.google.errors import GoogleError, file_not_found, invalid
from loopback.google.files import DOC, FOLDER, SHEET, SLIDES, Drive, File, Revision, email, rfc3339, stable_id
from loopback.google.query import compile_query
from loopback.google.sheetmodel import Tab, Values

MAX_PROPERTY_BYTES = 124
_TEXTUAL = ("text/", "application/json")
DEFAULT_FIELDS = {
    "drive.files.list": "kind,nextPageToken,incompleteSearch,files(kind,id,name,mimeType)",
    "drive.files.get": "kind,id,name,mimeType",
    "drive.files.create": "kind,id,name,mimeType",
    "drive.files.update": "kind,id,name,mimeType",
    "drive.files.copy": "kind,id,name,mimeType",
    "drive.permissions.list": "kind,nextPageToken,permissions(kind,id,type,role)",
    "drive.permissions.create": "kind,id,type,role",
    "drive.permissions.get": "kind,id,type,role",
    "drive.permissions.update": "kind,id,type,role",
    "drive.revisions.list": "kind,nextPageToken,revisions(kind,id,mimeType,modifiedTime)",
    "drive.changes.list": "kind,nextPageToken,newStartPageToken,changes(kind,type,changeType,time,removed,"
    "fileId,file(kind,id,name,mimeType))",
}


def person(user: str, me: str = "") -> dict[str, Any]:
    """A person as Drive shows one."""
    return {
        "kind": "drive#user",
        "displayName": user,
        "me": user == me,
        "permissionId": stable_id(user)[1:21],
        "emailAddress": email(user),
    }


def link(base: str, file: File) -> str:
    """The address at which a person reads the file."""
    if file.mime == FOLDER:
        return f"{base}/drive/folders/{file.id}"
    if file.mime == DOC:
        return f"{base}/document/d/{file.id}/edit"
    if file.mime == SHEET:
        return f"{base}/spreadsheets/d/{file.id}/edit"
    if file.mime == SLIDES:
        return f"{base}/presentation/d/{file.id}/edit"
    return f"{base}/file/d/{file.id}/view"


def metadata(call: Call, file: File) -> dict[str, Any]:
    """All that files.get can show of a file."""
    role = call.drive.role(file, call.user) or "reader"
    can_edit = role in ("writer", "fileOrganizer", "organizer", "owner")
    out: dict[str, Any] = {
        "kind": "drive#file",
        "id": file.id,
        "name": file.name,
        "mimeType": file.mime,
        "starred": file.starred,
        "trashed": file.trashed,
        "explicitlyTrashed": file.trashed,
        "parents": file.parents,
        "spaces": ["drive"],
        "version": str(file.version),
        "webViewLink": link(call.base, file),
        "createdTime": rfc3339(file.created),
        "modifiedTime": rfc3339(file.modified),
        "lastModifyingUser": person(file.modified_by, call.user),
        "ownedByMe": file.owner == call.user,
        "shared": any(True for _ in call.drive.all_permissions(file)),
        "capabilities": {"canEdit": can_edit, "canCopy": True, "canDownload": True, "canShare": can_edit},
        "permissions": [_permission(p) for p in _permissions(call.drive, file)],
        "permissionIds": [p["id"] for p in _permissions(call.drive, file)],
        "inheritedPermissionsDisabled": not file.inherits,
        "appProperties": file.app_properties,
        "properties": file.properties,
    }
    of = call.drive.drive_of(file)
    if of is None:
        out["owners"] = [person(file.owner, call.user)]
    else:
        out |= {"driveId": of.id, "ownedByMe": False}
    if file.description:
        out["description"] = file.description
    if not file.native:
        size, md5, sha256 = file.digests()
        out |= {
            "size": str(size),
            "md5Checksum": md5,
            "sha256Checksum": sha256,
            "headRevisionId": file.revision_id,
            "originalFilename": file.name,
            "fileExtension": file.name.rpartition(".")[2] if "." in file.name else "",
        }
    return out


def full_text(file: File) -> str:
    """The words by which fullText finds a file: its name, description and text."""
    parts = [file.name, file.description or ""]
    if file.doc:
        parts.append(markup.to_text(file.doc))
    elif file.sheet:
        values = Values(file.sheet)
        for tab in file.sheet.tabs:
            parts.append(tab.title)
            parts += [values.shown(tab, r, c) for r, c in tab.cells]
    elif file.slides is not None:
        parts += [str(value) for slide in file.slides for value in slide.values()]
    elif file.mime.startswith(_TEXTUAL):
        parts.append(file.content.decode("utf-8", "replace"))
    return "\n".join(parts)


def _file(call: Call, role: str = "reader") -> File:
    """The file of a request; one in a shared drive is there only for callers that know of shared drives."""
    file = call.drive.at_least(call.params["fileId"], call.user, role)
    if call.params.get("supportsAllDrives") is False and call.drive.drive_of(file):
        raise file_not_found(file.id)
    return file


def _in_corpus(call: Call, file: File) -> bool:
    of, wanted = call.drive.drive_of(file), call.params.get("driveId")
    if wanted:
        return of is not None and of.id == wanted
    return of is None or bool(call.params.get("includeItemsFromAllDrives"))


def _list(call: Call) -> Answer:
    test = compile_query(call.params.get("q", ""), full_text, call.drive.root)
    if call.params.get("includeItemsFromAllDrives") and not call.params.get("supportsAllDrives"):
        text = "The includeItemsFromAllDrives parameter requires supportsAllDrives to be true."
        raise GoogleError(403, text, reason="teamDrivesParameterConflict")
    if (call.params.get("corpora") == "drive") != bool(call.params.get("driveId")):
        text = "The driveId parameter must be specified if and only if corpora is set to drive."
        raise GoogleError(400, text, reason="invalid")
    seen = [f for f in call.drive.files.values() if f.parents and call.drive.role(f, call.user)]
    seen = [f for f in seen if _in_corpus(call, f)]
    found = [f for f in seen if test(f)]
    for key in reversed(call.params.get("orderBy", "modifiedTime desc,name").split(",")):
        found = _ordered(found, key.strip())
    start = _page(call.params.get("pageToken"))
    size = call.params.get("pageSize", 100)
    out: dict[str, Any] = {
        "kind": "drive#fileList",
        "incompleteSearch": False,
        "files": [metadata(call, f) for f in found[start : start + size]],
    }
    if start + size < len(found):
        out["nextPageToken"] = f"~{start + size}"
    return out


def _page(token: str | None) -> int:
    if token is None:
        return 0
    if not token.startswith("~") or not token[1:].isdigit():
        raise GoogleError(400, "Invalid Value", reason="invalid", location=("parameter", "pageToken"))
    return int(token[1:])


def _ordered(files: list[File], key: str) -> list[File]:
    name, _, direction = key.partition(" ")
    keys: dict[str, Callable[[File], Any]] = {
        "modifiedTime": lambda f: f.modified,
        "createdTime": lambda f: f.created,
        "name": lambda f: f.name,
        "name_natural": lambda f: f.name.lower(),
        "starred": lambda f: f.starred,
        "folder": lambda f: f.mime != FOLDER,
    }
    if name not in keys:
        raise GoogleError(400, "Invalid Value", reason="invalid", location=("parameter", "orderBy"))
    return sorted(files, key=keys[name], reverse=direction == "desc")


def _get(call: Call) -> Answer:
    file = _file(call)
    if call.params.get("alt") == "media":
        if file.native:
            raise GoogleError(
                403,
                "Only files with binary content can be downloaded. Use Export with Docs Editors files.",
                reason="fileNotDownloadable",
                location=("parameter", "alt"),
            )
        return Bytes(file.content, file.mime)
    return metadata(call, file)


def export_csv(tab: Tab, values: Values) -> str:
    """A tab as Drive exports it: shown values, as far as the filled area goes."""
    out = io.StringIO()
    rows, columns = tab.used
    writer = csv.writer(out)
    writer.writerows([values.shown(tab, r, c) for c in range(columns)] for r in range(rows))
    return out.getvalue()


def _export(call: Call) -> Answer:
    file, mime = _file(call), call.params["mimeType"]
    if file.doc and mime == "text/plain":
        return Bytes(("\ufeff" + markup.to_text(file.doc)).encode("utf-8"), mime)
    if file.doc and mime in ("text/markdown", "text/x-markdown"):
        return Bytes(markup.to_markdown(file.doc).encode("utf-8"), "text/markdown")
    if file.doc and mime == "text/html":
        page = f"<html><head><meta charset='utf-8'></head><body>{markup.to_html(file.doc)}</body></html>"
        return Bytes(page.encode("utf-8"), mime)
    if file.sheet and mime == "text/csv":
        return Bytes(export_csv(file.sheet.tabs[0], Values(file.sheet)).encode("utf-8"), mime)
    if not file.native:
        text = "Export only supports Docs Editors files."
        raise GoogleError(403, text, reason="fileNotExportable")
    raise GoogleError(400, "The requested conversion is not supported.", reason="badRequest")


def _properties(current: dict[str, str], given: dict[str, str | None]) -> dict[str, str]:
    out = dict(current)
    for key, value in given.items():
        if value is None:
            out.pop(key, None)
            continue
        if len((key + value).encode()) > MAX_PROPERTY_BYTES:
            text = "Property key and value exceed the limit of 124 bytes."
            raise GoogleError(400, text, reason="propertyValueTooLong")
        out[key] = value
    return out


def _apply(call: Call, file: File) -> None:
    body = call.body
    app_properties = _properties(file.app_properties, body.get("appProperties") or {})
    properties = _properties(file.properties, body.get("properties") or {})
    file.app_properties, file.properties = app_properties, properties
    file.name = body.get("name", file.name)
    file.description = body.get("description", file.description)
    file.starred = body.get("starred", file.starred)
    file.trashed = body.get("trashed", file.trashed)
    if "inheritedPermissionsDisabled" in body:
        file.inherits = not body["inheritedPermissionsDisabled"]
    if call.media is not None:
        _write_media(file, call.media)


def _write_media(file: File, media: Bytes) -> None:
    if file.doc is not None:
        text = media.data.decode("utf-8", "replace")
        file.doc = markup.from_markdown(text if media.mime == "text/markdown" else text.replace("\n", "  \n"))
    elif file.native:
        raise GoogleError(400, "The requested conversion is not supported.")
    else:
        file.write(media.data)


def _create(call: Call) -> Answer:
    body = call.body
    mime = body.get("mimeType") or (call.media.mime if call.media else "application/octet-stream")
    _properties({}, body.get("appProperties") or {})
    _properties({}, body.get("properties") or {})
    file = call.drive.create(call.user, body.get("name", "Untitled"), mime, body.get("parents") or [], body.get("id"))
    _apply(call, file)
    if not file.native:
        file.write(file.data or b"")
    file.revisions[-1].content = file.data
    return metadata(call, file)


def _copy(call: Call) -> Answer:
    origin = _file(call)
    if origin.mime == FOLDER:
        raise GoogleError(403, "This file cannot be copied by the user.", reason="cannotCopyFile")
    name = call.body.get("name", f"Copy of {origin.name}")
    parents = call.body.get("parents") or origin.parents
    file = call.drive.create(call.user, name, origin.mime, parents, call.body.get("id"))
    file.doc, file.sheet = copy.deepcopy(origin.doc), origin.sheet.clone() if origin.sheet else None
    file.slides = copy.deepcopy(origin.slides)
    if not origin.native:
        file.write(origin.content)
    file.app_properties, file.properties = dict(origin.app_properties), dict(origin.properties)
    _apply(call, file)
    return metadata(call, file)


def _update(call: Call) -> Answer:
    file = _file(call, "writer")
    if file.id == call.drive.root:
        raise GoogleError(403, "The root folder cannot be changed.", reason="insufficientFilePermissions")
    add = [p for p in call.params.get("addParents", "").split(",") if p]
    remove = {p for p in call.params.get("removeParents", "").split(",") if p}
    if "id" in call.body or "parents" in call.body:
        text = "The resource body includes fields which are not directly writable."
        raise GoogleError(403, text, reason="fieldNotWritable")
    parents = [p for p in file.parents if p not in remove]
    parents += [call.drive.writable(p, call.user).id for p in add]
    _apply(call, file)
    file.parents = parents or [call.drive.root]
    call.drive.touch(file, call.user, content=call.media is not None)
    return metadata(call, file)


def _delete(call: Call) -> Answer:
    file = _file(call)
    if call.drive.role(file, call.user) != "owner":
        raise GoogleError(403, "The user does not have sufficient permissions for this file.")
    call.drive.touch(file, call.user, content=False)
    del call.drive.files[file.id]
    return None


def _generate_ids(call: Call) -> Answer:
    count = call.params.get("count", 10)
    ids = [call.drive.new_id() for _ in range(count)]
    return {"kind": "drive#generatedIds", "space": "drive", "ids": ids}


def _permissions(drive: Drive, file: File) -> list[dict[str, Any]]:
    if drive.drive_of(file):
        return list(drive.all_permissions(file))
    owner = {"id": stable_id(file.owner)[1:21], "type": "user", "role": "owner"}
    owner |= {"emailAddress": email(file.owner), "displayName": file.owner}
    return [owner, *drive.all_permissions(file)]


def _permission(permission: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "drive#permission", **permission}


def _permission_list(call: Call) -> Answer:
    file = _file(call)
    shown = [_permission(p) for p in _permissions(call.drive, file)]
    return {"kind": "drive#permissionList", "permissions": shown}


def _permission_create(call: Call) -> Answer:
    file = _file(call, "writer")
    kind, role = call.body.get("type"), call.body.get("role")
    if kind not in ("user", "group", "domain", "anyone"):
        raise GoogleError(400, "The permission type field is required.", reason="required")
    if role not in ("reader", "commenter", "writer"):
        raise GoogleError(400, "The permission role field is required.", reason="required")
    made = {"type": kind, "role": role}
    if kind in ("user", "group"):
        if not call.body.get("emailAddress"):
            raise invalid("The specified emailAddress is invalid or not applicable for the given permission type.")
        made["emailAddress"] = call.body["emailAddress"]
        made["id"] = stable_id(made["emailAddress"].split("@")[0])[1:21]
    else:
        made["id"] = "anyoneWithLink" if kind == "anyone" else "domain"
    file.permissions = [p for p in file.permissions if p["id"] != made["id"]] + [made]
    call.drive.touch(file, call.user, content=False)
    return _permission(made)


def _own_permission(call: Call, file: File) -> dict[str, Any]:
    wanted = call.params["permissionId"]
    for one in file.permissions:
        if one["id"] == wanted:
            return one
    raise GoogleError(404, f"Permission not found: {wanted}.", location=("parameter", "permissionId"))


def _permission_get(call: Call) -> Answer:
    return _permission(_own_permission(call, _file(call)))


def _permission_update(call: Call) -> Answer:
    file = _file(call, "writer")
    one = _own_permission(call, file)
    if call.body.get("role") not in ("reader", "commenter", "writer"):
        raise GoogleError(400, "The permission role field is required.", reason="required")
    one["role"] = call.body["role"]
    call.drive.touch(file, call.user, content=False)
    return _permission(one)


def _permission_delete(call: Call) -> Answer:
    file = _file(call, "writer")
    file.permissions.remove(_own_permission(call, file))
    call.drive.touch(file, call.user, content=False)
    return None


def _about(call: Call) -> Answer:
    if "fields" not in call.params:
        text = "The 'fields' parameter is required for this method."
        raise GoogleError(400, text, reason="required", location=("parameter", "fields"))
    return {"kind": "drive#about", "user": person(call.user, call.user), "storageQuota": {"usage": "0"}}


def _start_token(call: Call) -> Answer:
    return {"kind": "drive#startPageToken", "startPageToken": str(len(call.drive.changes) + 1)}


def _changes(call: Call) -> Answer:
    token = call.params["pageToken"]
    if not token.isdigit():
        raise GoogleError(400, "Invalid Value", reason="invalid", location=("parameter", "pageToken"))
    latest = {c.file_id: c for c in call.drive.changes if c.number >= int(token)}
    out = []
    for change in sorted(latest.values(), key=lambda c: c.number):
        file = call.drive.files.get(change.file_id)
        row = {"kind": "drive#change", "type": "file", "changeType": "file", "fileId": change.file_id}
        entry: dict[str, Any] = {**row, "time": rfc3339(change.at), "removed": file is None}
        if file and call.drive.role(file, call.user):
            entry["file"] = metadata(call, file)
        out.append(entry)
    end = str(len(call.drive.changes) + 1)
    return {"kind": "drive#changeList", "newStartPageToken": end, "changes": out}


def _revision(file: File, revision: Revision, me: str) -> dict[str, Any]:
    out = {"kind": "drive#revision", "id": revision.id, "mimeType": file.mime}
    return {**out, "modifiedTime": rfc3339(revision.at), "lastModifyingUser": person(revision.by, me)}


def _revisions(call: Call) -> Answer:
    file = _file(call)
    shown = [_revision(file, r, call.user) for r in file.revisions]
    return {"kind": "drive#revisionList", "revisions": shown}


def _revision_get(call: Call) -> Answer:
    file = _file(call)
    for revision in file.revisions:
        if revision.id == call.params["revisionId"]:
            if call.params.get("alt") != "media":
                return _revision(file, revision, call.user)
            if not file.native:
                return Bytes(file.content if revision.content is None else revision.content, file.mime)
    text = f"Revision not found: {call.params['revisionId']}."
    raise GoogleError(404, text, location=("parameter", "revisionId"))


def _drive(file: File) -> dict[str, Any]:
    return {"kind": "drive#drive", "id": file.id, "name": file.name, "createdTime": rfc3339(file.created)}


def _drives(call: Call) -> Answer:
    mine = [f for f in call.drive.files.values() if f.shared_drive and call.drive.role(f, call.user)]
    return {"kind": "drive#driveList", "drives": [_drive(f) for f in mine]}


def _drive_get(call: Call) -> Answer:
    file = call.drive.readable(call.params["driveId"], call.user)
    if not file.shared_drive:
        raise GoogleError(404, f"Shared drive not found: {file.id}", location=("parameter", "driveId"))
    return _drive(file)


def _drive_create(call: Call) -> Answer:
    return _drive(call.drive.shared_drive(call.body.get("name", ""), call.user, call.params["requestId"]))


HANDLERS: dict[str, Handler] = {
    "drive.drives.create": _drive_create,
    "drive.drives.get": _drive_get,
    "drive.drives.list": _drives,
    "drive.about.get": _about,
    "drive.changes.getStartPageToken": _start_token,
    "drive.changes.list": _changes,
    "drive.files.copy": _copy,
    "drive.files.create": _create,
    "drive.files.delete": _delete,
    "drive.files.export": _export,
    "drive.files.generateIds": _generate_ids,
    "drive.files.get": _get,
    "drive.files.list": _list,
    "drive.files.update": _update,
    "drive.permissions.create": _permission_create,
    "drive.permissions.delete": _permission_delete,
    "drive.permissions.get": _permission_get,
    "drive.permissions.list": _permission_list,
    "drive.permissions.update": _permission_update,
    "drive.revisions.get": _revision_get,
    "drive.revisions.list": _revisions,
}
