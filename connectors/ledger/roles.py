"""What a label says that a value is: the columns of a table, and the tags of a journal."""

from connectors.documents.words import header_words, role_by_words

BASE_WORDS = {"base", "group", "home", "reporting", "functional"}


def column_role(label: str) -> str | None:
    """What a column holds, by the words of its header: the roles of any table, and those only a ledger has."""
    words = header_words(label)
    role = role_by_words(label)
    if role in ("debit", "credit", "amount") and words & BASE_WORDS:
        return f"{role}_base"
    if words & {"debit", "credit", "amount"} or role in ("entry", "unit_price", "type"):
        return role
    if words & {"document", "invoice", "voucher", "reference"} and "date" not in words:
        return "document"
    if words == {"line"} or (words & {"line"} and words & {"no", "number", "id"}):
        return "line"
    if words & {"rate", "fx"}:
        return "rate"
    return "normal" if words & {"normal"} else role
