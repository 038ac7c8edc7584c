"""The rules for migrations of large tables, which CONTRIBUTING.md explains, checked statement by statement."""

from __future__ import annotations

import re
from collections.abc import Sequence

from storage.counted.ahead import KEPT_COUNTS
from storage.large_indexes import LARGE_INDEXES
from storage.upgrades.steps import LARGE_TABLES

_LARGE = rf"(?:{'|'.join(LARGE_TABLES)})"
_TABLE = rf"(?:ONLY\s+)?(?:public\.)?(?P<table>{_LARGE}(?:_default)?)\b"
_RULES = (
    (rf"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(?P<index>\w+) ON {_TABLE}", "build it ahead: LARGE_INDEXES"),
    (rf"ALTER TABLE {_TABLE} .*\bADD (?:CONSTRAINT \w+ )?(?:CHECK|FOREIGN KEY)(?!.*NOT VALID)", "add it NOT VALID"),
    (
        rf"ALTER TABLE {_TABLE} .*\bADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY KEY)(?!.*USING INDEX)",
        "build its index ahead, and add it USING INDEX",
    ),
    (rf"ALTER TABLE {_TABLE} .*\bALTER (?:COLUMN )?\w+ (?:SET DATA )?TYPE\b", "add a column of the new type instead"),
    (rf"ALTER TABLE {_TABLE} .*\bSET NOT NULL", "add CHECK (… IS NOT NULL) NOT VALID, and validate it later"),
    (rf"ALTER TABLE {_TABLE} .*\bADD COLUMN \S+ (?!.*DEFAULT).*NOT NULL", "give the column a default"),
    (
        rf"ALTER TABLE {_TABLE} .*\bADD COLUMN .*DEFAULT .*(?:random|clock_timestamp|nextval|uuid\w*)\s*\(",
        "a default that differs from row to row rewrites the table",
    ),
    (rf"(?:UPDATE|DELETE FROM) {_TABLE}", "change rows in slices, outside of the migration"),
    (rf"INSERT INTO .*\bSELECT .*\bFROM {_TABLE}", "read the rows in slices, outside of the migration"),
    (rf"(?:VACUUM FULL|CLUSTER|REINDEX TABLE) {_TABLE}", "it locks the table while it is rewritten"),
)
_VALIDATE = rf"ALTER TABLE {_TABLE} VALIDATE CONSTRAINT"
_GONE = rf"ALTER TABLE {_TABLE} (?:DROP COLUMN|RENAME (?:COLUMN )?\w+ TO)"


def offences(revision: str, statements: Sequence[str], unused_since: str | None = None) -> list[str]:
    """What a migration must not do, one line each.

    `unused_since`: its own word for the revision from which on no program uses what it removes.
    """
    known = {index.name for index in LARGE_INDEXES if index.revision == revision}
    ahead = {" ".join(kept.count_sql.split()) for kept in KEPT_COUNTS if kept.revision == revision}
    found, own = [], set[str]()
    plain = [text for text in (" ".join(statement.split()) for statement in statements) if text not in ahead]
    for statement in plain:
        if (created := re.match(r"CREATE TABLE (\w+)", statement, re.IGNORECASE)) is not None:
            own.add(created[1])
        for pattern, advice in _RULES:
            match = re.search(pattern, statement, re.IGNORECASE)
            if match is None or match["table"] in own or match.groupdict().get("index") in known:
                continue
            found.append(f"{revision}: {statement[:80]}: {advice}")
        gone = re.search(_GONE, statement, re.IGNORECASE)
        if gone is not None and gone["table"] not in own and unused_since is None:
            found.append(f"{revision}: {statement[:80]}: say since which revision nothing uses it, in `unused_since`")
    validating = [statement for statement in plain if re.search(_VALIDATE, statement, re.IGNORECASE)]
    if validating and any(re.match(r"(?:LOCK|ALTER|CREATE|DROP)\b", s) and s not in validating for s in plain):
        found.append(f"{revision}: {validating[0][:80]}: validate in a migration of its own, which holds no other lock")
    return found
