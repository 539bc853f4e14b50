"""Comments of a Word file: their part, and the marks in the body that they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from connectors.documents.wordfile import Package, W

_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/comments"
_CONTENT = "application/vnd.openxmlformats-officedocument.wordprocessingml.comments+xml"
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"


@dataclass
class Comments:
    """Collects comments under one author and date; `save` writes them into the package."""

    package: Package
    main: str  # the part that holds the body
    author: str
    date: str
    _tree: etree._Element = field(init=False)
    _part: str = field(init=False)
    _added: int = 0

    def __post_init__(self) -> None:
        self._part = self._known() or f"{self.main.rpartition('/')[0]}/comments.xml".lstrip("/")
        known = self._part in self.package.parts
        self._tree = self.package.xml(self._part) if known else etree.Element(W + "comments", nsmap={"w": W[1:-1]})

    def add(self, words: str, first: etree._Element, last: etree._Element) -> None:
        """A comment about the stretch from the first to the last of these elements."""
        used = [int(c.get(W + "id", "0")) for c in self._tree.iter(W + "comment") if c.get(W + "id", "").isdigit()]
        number = {W + "id": str(max(used, default=-1) + 1)}
        initials = "".join(word[0] for word in self.author.split())[:3].upper()
        about = {W + "author": self.author, W + "date": self.date, W + "initials": initials}
        comment = etree.SubElement(self._tree, W + "comment", number | about)
        for line in words.split("\n"):
            run = etree.SubElement(etree.SubElement(comment, W + "p"), W + "r")
            etree.SubElement(run, W + "t").text = "".join(c if c.isprintable() else " " for c in line)
        first.addprevious(etree.Element(W + "commentRangeStart", number))
        reference = etree.Element(W + "r")
        etree.SubElement(reference, W + "commentReference", number)
        last.addnext(reference)
        last.addnext(etree.Element(W + "commentRangeEnd", number))
        self._added += 1

    def save(self) -> None:
        """Writes the part, and where it is new its content type and relationship."""
        if not self._added:
            return
        parts = self.package.parts
        if self._known() is None:
            rels = self._relations()
            tree = (
                self.package.xml(rels)
                if rels in parts
                else etree.Element(f"{{{_RELS}}}Relationships", nsmap={None: _RELS})
            )
            used = {relation.get("Id") for relation in tree}
            free = next(f"rId{n}" for n in range(1, len(used) + 2) if f"rId{n}" not in used)
            target = self._part.rpartition("/")[2]
            etree.SubElement(tree, f"{{{_RELS}}}Relationship", Id=free, Type=_TYPE, Target=target)
            parts[rels] = _bytes(tree)
        types = self.package.xml("[Content_Types].xml")
        if not any(entry.get("PartName") == "/" + self._part for entry in types):
            etree.SubElement(types, _TYPES + "Override", PartName="/" + self._part, ContentType=_CONTENT)
            parts["[Content_Types].xml"] = _bytes(types)
        parts[self._part] = _bytes(self._tree)

    def _relations(self) -> str:
        folder, _, name = self.main.rpartition("/")
        return f"{folder}/_rels/{name}.rels".lstrip("/")

    def _known(self) -> str | None:
        """The part that the document names for its comments."""
        if self._relations() not in self.package.parts:
            return None
        for relation in self.package.xml(self._relations()):
            if relation.get("Type") == _TYPE:
                target = str(relation.get("Target"))
                folder = self.main.rpartition("/")[0]
                return target.lstrip("/") if target.startswith("/") else f"{folder}/{target}".lstrip("/")
        return None


def _bytes(tree: etree._Element) -> bytes:
    data: bytes = etree.tostring(tree, xml_declaration=True, encoding="UTF-8", standalone=True)
    return data
