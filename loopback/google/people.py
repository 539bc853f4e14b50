"""What people do in the Drive, and what is in it: the acts and the state of the control API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from loopback.google import a1, docrequests, markup
from loopback.google.docmodel import Document
from loopback.google.drive import export_csv
from loopback.google.errors import GoogleError
from loopback.google.files import Drive, File, email, rfc3339, stable_id
from loopback.google.sheetmodel import Values, Workbook, entered


class People:
    """People who edit, share and delete files by hand."""

    def __init__(self, drive: Drive) -> None:
        self.drive = drive

    async def act(self, act: Mapping[str, Any]) -> dict[str, Any]:
        """`{as, do: edit|share|restrict|delete|upload, file, …}`; `file` is an id or a name.

        edit: `tab`, `cell`, `value` in a Sheet, or `find`, `replace` in a Doc. share: `with`, `role`.
        restrict: nobody but the owner and those it was shared with may read. upload: `name`, `text`, `mime`.
        """
        user, do = str(act.get("as", "owner")), act.get("do")
        try:
            if do == "upload":
                mime = str(act.get("mime", "text/plain"))
                made = self.drive.create(user, str(act["name"]), mime, [], None)
                made.write(str(act.get("text", "")).encode())
                return {"ok": True, "id": made.id}
            file = self._find(str(act["file"]))
            if do == "edit":
                self._edit(self.drive.writable(file.id, user), act)
            elif do == "share":
                who = str(act["with"])
                made_id = stable_id(who)[1:21]
                one = {"id": made_id, "type": "user", "role": act.get("role", "reader")}
                file.permissions = [p for p in file.permissions if p["id"] != made_id]
                file.permissions.append({**one, "emailAddress": email(who)})
            elif do == "restrict":
                file.inherits = False
            elif do == "delete":
                file.trashed = True
            else:
                raise web.HTTPBadRequest(text=f"there is no act {do!r} in a Drive")
        except KeyError as error:
            raise web.HTTPBadRequest(text=f"the act needs {error}") from error
        except GoogleError as error:
            return {"ok": False, "error": error.message}
        self.drive.touch(file, user, content=do == "edit")
        return {"ok": True, "id": file.id, "version": str(file.version)}

    def _find(self, given: str) -> File:
        for file in self.drive.files.values():
            if given in (file.id, file.name):
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
            file.doc, _ = docrequests.run(file.doc, [change])
        else:
            file.write(str(act["text"]).encode())

    async def state(self) -> dict[str, Any]:
        """Every file with its sharing; Docs with their text and Sheets with their tabs, by file id."""
        files = list(self.drive.files.values())
        return {
            "ok": True,
            "files": [self._file(f) for f in files],
            "docs": {f.id: _doc(f.name, f.doc) for f in files if f.doc is not None},
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
        }


def _doc(name: str, document: Document) -> dict[str, Any]:
    ranges = sorted({n.name for n in document.named})
    return {"title": name, "markdown": markup.to_markdown(document), "namedRanges": ranges}


def _sheet(name: str, book: Workbook) -> dict[str, Any]:
    values = Values(book)
    tabs = [{"sheetId": t.id, "title": t.title, "csv": export_csv(t, values)} for t in book.tabs]
    return {"title": name, "tabs": tabs, "metadata": book.metadata}
