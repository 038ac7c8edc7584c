"""Options of the caller for reading a campaign file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from producer.campaigns.reading.words import folded
from producer.campaigns.templates.document import Template
from seedance.problems import InvalidInput, Problem, shorten

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """Options for reading a file. None, and columns that are not mapped: detect it from the file."""

    encoding: str | None = None
    """The encoding of a text file, by any name that Python knows."""
    delimiter: str | None = None
    """The character between the cells of a text file."""
    sheet: str | None = None
    """The name of the sheet in a workbook."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """From column names to the names to use instead: a field, or another name; "": the column is not used."""
    remembered: Mapping[str, str] = field(default_factory=dict)
    """The same, from an earlier run of the campaign: a column that is missing now is no error."""
    key: str | None = None
    """The column whose value makes a row the same one when it is edited; None: the content of a row does."""
    template: Template | None = None
    """What to make of each row; None: each row is one job as it stands."""

    @property
    def names(self) -> dict[str, str]:
        """All names to use instead; those given now win."""
        given = {folded(column) for column in self.mapping}
        return {column: name for column, name in self.remembered.items() if folded(column) not in given} | {
            **self.mapping
        }

    def remembering(self, reading: Mapping[str, object]) -> ReadingOptions:
        """The same, with what a campaign remembers of its last run: `map` and `key`. What is given now wins."""
        mapping, key = reading.get("map"), reading.get("key")
        remembered = {str(name): str(to) for name, to in mapping.items()} if isinstance(mapping, dict) else {}
        known = key if isinstance(key, str) else None
        return replace(self, remembered=remembered, key=known if self.key is None else self.key)

    def to_remember(self) -> dict[str, object] | None:
        """What a campaign should remember of this; None: nothing."""
        return {"map": self.names, "key": self.key} if self.names or self.key else None

    @property
    def filled(self) -> frozenset[str]:
        """The fields that the template fills."""
        return frozenset() if self.template is None else self.template.fills

    @property
    def free_names(self) -> bool:
        """Whether objects may have names of their own, which a template or the mapping uses."""
        return self.template is not None or bool(self.mapping or self.remembered or self.key)


NO_OPTIONS = ReadingOptions()


def read_options(
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    mapped: Iterable[str] = (),
    key: str | None = None,
    template: Template | None = None,
) -> ReadingOptions:
    """Parse options as people write them: `mapped` has texts such as "产品名=prompt".

    Raises:
        InvalidInput: one of them is not valid.
    """
    mapping: dict[str, str] = {}
    for text in mapped:
        column, sign, name = text.rpartition("=")
        if not sign or not column.strip():
            raise InvalidInput([Problem("map", f'must be "COLUMN=NAME", not {shorten(text)}')])
        if column.strip() in mapping:
            raise InvalidInput([Problem("map", f"maps {shorten(column.strip())} twice")])
        mapping[column.strip()] = name.strip()
    if delimiter is not None:
        delimiter = _DELIMITERS.get(delimiter.lower(), delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
            raise InvalidInput([Problem("delimiter", f"must be one character, or tab, not {shorten(delimiter)}")])
    return ReadingOptions(encoding, delimiter, sheet, mapping, key=key, template=template)
