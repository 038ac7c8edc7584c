"""A kept count: a table whose rows are changes and whose sums are counts, and the triggers that write the changes.

Each change of the counted rows adds rows in its own transaction, also if another program made it. `storage.merging`
merges the rows of a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

RECOUNT_LOCK: LiteralString = "hashtextextended('kept counts of reelq', 0)"
"""The advisory lock of those who count again: two at once would both add the difference."""


@dataclass(frozen=True, slots=True)
class KeptCount:
    """A kept count. A change of its definition needs a new migration.

    `revision` creates it. `counted`: the table of the counted rows; `table`: that of the counts, with `keys`, the
    columns of a group, and `numbers`, what is added up. `rows`: a SELECT of these columns from the counted rows `r`
    that ends with conditions, with any number of rows for each. `create`: the statements that create table and
    triggers; `drop`: those that remove them. `of_tenant`: which rows `r`, and which counts, are those of the parameter
    `tenant`, as conditions; None: tenants are not counted apart. `current`: the keys of a row of counts as it would be
    written now, because groups become larger with time; None: as it is.
    """

    revision: str
    counted: LiteralString
    table: LiteralString
    keys: LiteralString
    numbers: tuple[LiteralString, ...]
    rows: LiteralString
    create: tuple[LiteralString, ...]
    drop: tuple[LiteralString, ...]
    of_tenant: tuple[LiteralString, LiteralString] | None = None
    current: LiteralString | None = None

    @property
    def functions(self) -> tuple[LiteralString, ...]:
        """Those of `create` that create the functions of the triggers, or replace them."""
        return tuple(statement for statement in self.create if statement.startswith("CREATE OR REPLACE FUNCTION"))

    @property
    def of_updates(self) -> tuple[LiteralString, ...]:
        """Those of `create` that create the trigger for each updated row, and its function."""
        begins = (f"CREATE OR REPLACE FUNCTION {self.table}_move(", f"CREATE TRIGGER {self.table}_update ")
        return tuple(statement for statement in self.create if statement.startswith(begins))

    @property
    def wrong_sql(self) -> LiteralString:
        """A SELECT of the groups whose count is wrong: their keys, and by how much the rows exceed the count."""
        return self._wrong(self.rows, self.table)

    @property
    def wrong_of_tenant_sql(self) -> LiteralString | None:
        """The same for the groups of one tenant, a parameter; None: tenants are not counted apart."""
        if self.of_tenant is None:
            return None
        rows, counts = self.of_tenant
        return self._wrong(f"{self.rows} AND {rows}", f"{self.table} WHERE {counts}")

    def _wrong(self, rows: LiteralString, counts: LiteralString) -> LiteralString:
        names = ", ".join(self.numbers)
        sums = ", ".join(f"sum({name})" for name in self.numbers)
        negative = ", ".join(f"-{name}" for name in self.numbers)
        some = " OR ".join(f"sum({name}) <> 0" for name in self.numbers)
        return f"""
SELECT {self.keys}, {sums} FROM (
    SELECT {self.keys}, {names} FROM ({rows}) counted
    UNION ALL
    SELECT {self.current or self.keys}, {negative} FROM {counts}
) both_sides
GROUP BY {self.keys} HAVING {some}"""  # noqa: S608 - put together from constants

    @property
    def count_sql(self) -> LiteralString:
        """Count: add to each group what its rows exceed its count by. One statement sees one moment, so this is exact
        while others write, if the triggers were there before it began. Groups that are right stay as they are."""
        return self._add(self.wrong_sql)

    @property
    def count_of_tenant_sql(self) -> LiteralString | None:
        """The same for one tenant; None: tenants are not counted apart."""
        wrong = self.wrong_of_tenant_sql
        return None if wrong is None else self._add(wrong)

    def _add(self, wrong: LiteralString) -> LiteralString:
        # As merged rows, of which a group may have several: nothing is left to merge where a group had none.
        return f"""INSERT INTO {self.table} ({self.keys}, {", ".join(self.numbers)}, merged)
SELECT w.*, true FROM ({wrong}) w"""  # noqa: S608 - put together from constants


def table_sql(
    name: LiteralString, columns: LiteralString, keys: LiteralString
) -> tuple[LiteralString, LiteralString, LiteralString, LiteralString]:
    """The statements that create a table of kept counts. `columns`: the definitions of its keys and numbers."""
    return (
        f"""CREATE TABLE {name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns},
            merged boolean NOT NULL DEFAULT false)""",
        f"CREATE INDEX {name}_group_idx ON {name} ({keys})",
        f"CREATE INDEX {name}_unmerged_idx ON {name} (id) WHERE NOT merged",
        # Rows live for a second: vacuum them soon.
        f"ALTER TABLE {name} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)",
    )


def function_sql(name: LiteralString, body: LiteralString) -> LiteralString:
    """The statement that creates the function of a trigger, or replaces it.

    Another program may write to our tables by their full names, with a search path that does not lead to them.
    """
    return f"""CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE callers text;
        BEGIN
            IF current_schema() IS DISTINCT FROM TG_TABLE_SCHEMA THEN
                callers := current_setting('search_path');
                PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA), true);
            END IF;
            {body};
            IF callers IS NOT NULL THEN
                PERFORM set_config('search_path', callers, true);
            END IF;
            RETURN NULL;
        END $$"""


def clear_sql(table: LiteralString) -> LiteralString:
    """The statement that creates the function of the trigger for TRUNCATE, or replaces it.

    A merge that is under way would keep rows that this does not see, so it is waited for.
    """
    body: LiteralString = f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE; DELETE FROM {table}"  # noqa: S608 - a name in our code
    return function_sql(f"{table}_clear", body)


def triggers_sql(table: LiteralString, counted: LiteralString, moved: LiteralString) -> tuple[LiteralString, ...]:
    """The statements that create the triggers, whose functions are named after the table of counts: `_add` and `_take`
    for statements that insert and delete, with their rows as `changed`; `_move` for each updated row with `moved`, a
    condition that most updates do not meet and that costs them little; `_clear` for TRUNCATE. For jobs, migrations
    0054 and 0059 replace the triggers for updated rows with that of `storage.counted.moves`."""
    return (
        f"""CREATE TRIGGER {table}_truncate AFTER TRUNCATE ON {counted}
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_clear()""",
        f"""CREATE TRIGGER {table}_insert AFTER INSERT ON {counted} REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_add()""",
        f"""CREATE TRIGGER {table}_delete AFTER DELETE ON {counted} REFERENCING OLD TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_take()""",
        f"""CREATE TRIGGER {table}_update AFTER UPDATE ON {counted} FOR EACH ROW WHEN ({moved})
            EXECUTE FUNCTION {table}_move()""",
    )


def drop_sql(table: LiteralString, counted: LiteralString) -> tuple[LiteralString, ...]:
    """The statements that remove triggers, functions and table."""
    triggers = ("insert", "delete", "update", "truncate")
    functions = ("add", "take", "move", "clear")
    return (
        *(f"DROP TRIGGER {table}_{name} ON {counted}" for name in triggers),
        *(f"DROP FUNCTION {table}_{name}()" for name in functions),
        f"DROP TABLE {table}",
    )
