"""What people do in the Drive, and what is in it: the acts and the state of the control API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from loopback.google import a1, calendar, comments, docrequests, gmail, markup
from loopback.google.docmodel import Document, structure
from loopback.google.drive import export_csv
from loopback.google.errors import GoogleError
from loopback.google.files import Drive, File, email, rfc3339, stable_id
from loopback.google.quota import Quotas
from loopback.google.sheetmodel import Tab, Values, Workbook, entered


class People:
    """People who edit, share and delete files by hand."""

    def __init__(self, drive: Drive, quotas: Quotas) -> None:
        self.drive, self.quotas = drive, quotas

    async def act(self, act: Mapping[str, Any]) -> dict[str, Any]:
        """`{as, do, file, …}`; `file` is an id or a name.

        edit: `tab`, `cell`, `value` in a Sheet, or `find`, `replace` in a Doc, or `text` of an uploaded file.
        share: `with`, `role`. restrict: nobody but the owner and those it was shared with may read. rename: `name`.
        move: `folder`. accept, reject: all suggestions in a Doc. comment: `text`, `quote`. reply: `text`, to the last
        comment. chart: `title`, of the last chart. delete. upload: `name`, `text`, `mime`. event: as Calendar's own.
        drive: a shared drive called `name`. quota: `service`, `per_minute`, for each person.
        """
        user, do = str(act.get("as", "owner")), act.get("do")
        try:
            if do == "quota":
                self.quotas.limits[str(act["service"])] = int(act["per_minute"])
                return {"ok": True}
            if do == "drive":
                return {"ok": True, "id": self.drive.shared_drive(str(act["name"]), user).id}
            if do == "event":
                event = {k: v for k, v in act.items() if k not in ("as", "do")}
                return {"ok": True, "id": calendar.add(self.drive, user, event)["id"]}
            if do == "write":
                gmail.rewrite(self.drive, str(act["draft"]), str(act["text"]))
                return {"ok": True}
            if do == "upload":
                mime = str(act.get("mime", "text/plain"))
                made = self.drive.create(user, str(act["name"]), mime, [], None)
                made.write(str(act.get("text", "")).encode())
                return {"ok": True, "id": made.id}
            file = self._find(str(act["file"]))
            if do == "edit":
                self._edit(self.drive.writable(file.id, user), act)
            elif do in ("comment", "reply"):
                self._comment(file, user, act)
            elif do in ("accept", "reject") and file.doc is not None:
                file.doc = file.doc.view(do == "accept")
            else:
                self._place(file, str(do), act)
        except KeyError as error:
            raise web.HTTPBadRequest(text=f"the act needs {error}") from error
        except GoogleError as error:
            return {"ok": False, "error": error.message}
        self.drive.touch(file, user, content=do in ("edit", "accept", "reject", "chart"))
        return {"ok": True, "id": file.id, "version": str(file.version)}

    def _place(self, file: File, do: str, act: Mapping[str, Any]) -> None:
        if do == "share":
            who = str(act["with"])
            made_id = stable_id(who)[1:21]
            one = {"id": made_id, "type": "user", "role": act.get("role", "reader")}
            file.permissions = [p for p in file.permissions if p["id"] != made_id]
            file.permissions.append({**one, "emailAddress": email(who)})
        elif do == "restrict":
            file.inherits = False
        elif do == "delete":
            file.trashed = True
        elif do == "rename":
            file.name = str(act["name"])
        elif do == "move":
            file.parents = [self._find(str(act["folder"])).id]
        elif do == "chart" and file.sheet is not None:
            charts = [chart for tab in file.sheet.tabs for chart in tab.charts]
            if charts:
                charts[-1]["spec"]["title"] = str(act["title"])
        else:
            raise web.HTTPBadRequest(text=f"there is no act {do!r} on {file.name}")

    def _comment(self, file: File, user: str, act: Mapping[str, Any]) -> None:
        if act["do"] == "comment":
            comments.add(self.drive, file, user, str(act["text"]), str(act.get("quote", "")))
        elif file.comments:
            comments.reply(self.drive, file, file.comments[-1], user, str(act["text"]), str(act.get("action", "")))

    def _find(self, given: str) -> File:
        for file in self.drive.files.values():
            if given in (file.id, file.name) and not file.trashed:
                return file
        raise web.HTTPNotFound(text=f"there is no file {given!r}")

    def _edit(self, file: File, act: Mapping[str, Any]) -> None:
        if file.sheet is not None:
            book = file.sheet.clone()
            tab = book.tab(act.get("tab"))
            area = a1.parse(str(act["cell"]), [])
            if tab is None or area is None:
                raise web.HTTPBadRequest(text="there is no such cell")
            tab.cells[area.row, area.column] = entered(act["value"], parse=True)
            file.sheet = book
        elif file.doc is not None:
            text = {"text": str(act["find"]), "matchCase": True}
            change = {"replaceAllText": {"containsText": text, "replaceText": str(act["replace"])}}
            file.doc, _, _ = docrequests.run(file.doc, [change])
        else:
            file.write(str(act["text"]).encode())

    async def state(self) -> dict[str, Any]:
        """Every file with its sharing; Docs with their text and Sheets with their tabs, by file id."""
        files = list(self.drive.files.values())
        return {
            "ok": True,
            "files": [self._file(f) for f in files],
            "docs": {f.id: _doc(f.name, f.doc) for f in files if f.doc is not None},
            "drafts": {who: [_mail(one) for one in mine.values()] for who, mine in self.drive.drafts.items()},
            "calendars": {who: list(mine.values()) for who, mine in self.drive.calendars.items()},
            "sheets": {f.id: _sheet(f.name, f.sheet) for f in files if f.sheet is not None},
        }

    def _file(self, file: File) -> dict[str, Any]:
        return {
            "id": file.id,
            "name": file.name,
            "mimeType": file.mime,
            "parents": file.parents,
            "owner": file.owner,
            "trashed": file.trashed,
            "version": str(file.version),
            "revisions": len(file.revisions),
            "modifiedTime": rfc3339(file.modified),
            "appProperties": file.app_properties,
            "permissions": list(self.drive.all_permissions(file)),
            "comments": [
                {"author": c.author, "text": c.content, "quote": c.quote, "replies": len(c.replies)}
                for c in file.comments
            ],
        }


def _mail(message: Mapping[str, Any]) -> dict[str, Any]:
    read = gmail.parsed(message["data"])
    body = read.get_body(("plain",))
    told = {name.lower(): str(read.get(name, "")) for name in ("To", "Cc", "Subject", "Message-ID")}
    return {**told, "text": body.get_content() if body else ""}


def _doc(name: str, document: Document) -> dict[str, Any]:
    ranges = sorted({n.name for n in document.named})
    out = {"title": name, "markdown": markup.to_markdown(document.view(accepted=False)), "namedRanges": ranges}
    return {**out, "content": structure(document), "suggestions": sorted(document.suggestions)}


def _sheet(name: str, book: Workbook) -> dict[str, Any]:
    values = Values(book)
    tabs = [
        {"sheetId": t.id, "title": t.title, "csv": export_csv(t, values), "cells": _cells(t), "charts": t.charts}
        for t in book.tabs
    ]
    return {"title": name, "tabs": tabs, "metadata": book.metadata}


def _cells(tab: Tab) -> dict[str, Any]:
    """How the cells of a tab look, where they do not look plain."""
    styled = {at: cell for at, cell in sorted(tab.cells.items()) if cell.format or cell.note}
    return {f"{a1.column_name(c)}{r + 1}": [cell.format, cell.note] for (r, c), cell in styled.items()}
