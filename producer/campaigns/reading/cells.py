"""Interpret a cell as the value of a field: people write 9：16, 720P, 5 秒 and 是."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final, get_args

from producer.campaigns.reading.json_objects import parse_list, parse_object
from producer.campaigns.reading.kinds import BOOLEANS, LISTS, NUMBERS, OBJECTS
from producer.campaigns.reading.table import Broken, Cell, as_text, without_unseen
from seedance.media import MEDIA_TYPES
from seedance.problems import shorten
from seedance.request import AUTO_DURATION, MAX_REFERENCES, Ratio

MEDIA_LISTS: Final = frozenset(MAX_REFERENCES)
_MEDIA = frozenset({"first_frame", "last_frame"})
_LOWERCASE = frozenset({"model", "output_format", "task_type"})
# Also what spreadsheets of other languages write into CSV for TRUE and FALSE.
_TRUE = frozenset({
    "true", "yes", "y", "on", "1", "是", "有", "开", "開", "真", "对", "對", "√", "✓", "✔", "wahr", "vrai", "verdadero",
    "verdadeiro", "vero", "waar", "prawda", "истина", "ja", "oui", "sí", "si", "sim", "sì", "tak", "да",
})  # fmt: skip
_FALSE = frozenset({
    "false", "no", "n", "off", "0", "否", "无", "無", "关", "關", "假", "错", "錯", "×", "✗", "✘", "falsch", "faux",
    "falso", "onwaar", "fałsz", "ложь", "nein", "non", "não", "nee", "nie", "нет",
})  # fmt: skip
_WORDS: Mapping[str, Mapping[str, str]] = {
    "tier": {"标准": "standard", "標準": "standard", "快速": "fast", "迷你": "mini"},
    "ratio": {"自适应": "adaptive", "自適應": "adaptive"},
    "duration": {"auto": str(AUTO_DURATION), "自动": str(AUTO_DURATION), "自動": str(AUTO_DURATION)},
    "operation": {"编辑": "edit", "編輯": "edit", "延长": "extend", "延長": "extend"},
    "audio": {"有声": "true", "有聲": "true", "无声": "false", "無聲": "false"},
}
_RATIOS = frozenset(get_args(Ratio))
_RATIO = re.compile(r"(\d{1,2})\s*[:/x*×∶比]\s*(\d{1,2})(?::00)?")
_RESOLUTION = re.compile(r"(\d{3,4})\s*p?|4\s*k")
_SECONDS = re.compile(r"(.*\d)\s*(?:s|sec|secs|second|seconds|秒|秒钟|秒鐘)\.?")
_NUMBER = re.compile(r"([+-]?\d{1,18})(?:\.0+)?")
_DECIMAL_COMMA = re.compile(r"([+-]?\d{1,18}),(\d{1,2})")
_DATE = re.compile(
    r"\d{1,4}[-/.年]\d{1,2}[-/.月](?:\d{1,4}日?)?|\d{1,2}月\d{1,2}日|\d{1,2}[- ][a-z]{3}(?:[- ]\d{2,4})?"
)
_YEAR_FIRST = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[ T]+(\d{1,2}:\d{2}(?::\d{2})?)")
_DATE_ALONE = re.compile(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?")
_LIST_MARKS = re.compile(r"[|\n]"), re.compile(r"[,，、;；]")
_MEDIA_ENDINGS = frozenset(ending for endings in MEDIA_TYPES.values() for ending in endings)


def value_of(field: str, cell: Cell, *, decimal_comma: bool = False) -> Any:
    """The value of a cell that is not empty for a field. Other texts are returned unchanged and refused later.

    `decimal_comma`: the file writes 5,0 for 5.0.

    Raises:
        ValueError: it is not the boolean, JSON object, JSON list, ratio or number that the field needs.
    """
    if isinstance(cell, Broken):
        raise ValueError(cell.why)
    if field == "prompt":
        return as_text(cell)
    reader = _READERS.get(field)
    if reader is not None:
        return reader(cell)
    if field in NUMBERS:
        return _number(field, cell, decimal_comma=decimal_comma)
    if field == "deadline":
        return _deadline(cell, decimal_comma=decimal_comma)
    text = as_text(cell).strip()
    if field in BOOLEANS:
        return _boolean(field, text)
    if field in OBJECTS:
        return parse_object(text)
    if field in MEDIA_LISTS:
        return [_reference(item) for item in _list(text, _media_items)]
    if field in LISTS:
        return _list(text, _text_items)
    if field in _MEDIA:
        return _reference(text)
    if field in _LOWERCASE:
        return _narrow(text)
    return _word(field, text) if field in _WORDS else text


def _narrow(text: str) -> str:
    """The text without full width, case, unseen characters and outer spaces."""
    return without_unseen(unicodedata.normalize("NFKC", text)).strip().casefold()


def _word(field: str, text: str) -> str:
    plain = _narrow(text)
    return _WORDS.get(field, {}).get(plain, plain)


def _boolean(field: str, text: str) -> bool:
    plain = _word(field, text).removesuffix(".0")
    if plain in _TRUE or plain in _FALSE:
        return plain in _TRUE
    raise ValueError(f"must be true or false (yes or no, 1 or 0, 是 or 否), not {shorten(text)}")


def _ratio(cell: Cell) -> str:
    if isinstance(cell, time) and not cell.second:  # a spreadsheet reads 9:16 as sixteen minutes past nine
        cell = f"{cell.hour}:{cell.minute}"
    if isinstance(cell, float | date | time | timedelta):
        raise ValueError(_not_a_ratio(cell))
    plain = _word("ratio", as_text(cell))
    found = _RATIO.fullmatch(plain)
    if found:
        ratio = f"{int(found[1])}:{int(found[2])}"
        return ratio if ratio in _RATIOS else plain
    if re.fullmatch(r"0?[.,]\d+", plain):
        raise ValueError(_not_a_ratio(plain))
    return plain


def _not_a_ratio(cell: Cell) -> str:
    message = "is a time of day, because spreadsheets store 9:16 as a time"
    return f"{shorten(as_text(cell))} {message}; format the column as text and write the ratio again"


def _resolution(cell: Cell) -> str:
    plain = _narrow(as_text(cell))
    found = _RESOLUTION.fullmatch(plain)
    if found is None:
        return plain
    return f"{found[1]}p" if found[1] else "4k"


def _number(field: str, cell: Cell, *, decimal_comma: bool) -> Any:
    if isinstance(cell, date | time | timedelta):
        raise ValueError(f"is a date or a time ({as_text(cell)}), not a number; format the column as a number")
    if isinstance(cell, bool):
        return cell
    plain = _word(field, as_text(cell))
    if field == "duration" and (found := _SECONDS.fullmatch(plain)):
        plain = found[1].strip()
    if decimal_comma and (found := _DECIMAL_COMMA.fullmatch(plain)):
        plain = f"{found[1]}.{found[2]}"
    if found := _NUMBER.fullmatch(plain):
        return int(found[1])
    if _DATE.fullmatch(plain):
        raise ValueError(f"is a date ({plain}), not a number; format the column as a number and write it again")
    if re.fullmatch(r"[+-]?\d+([.,]\d+)?e[+-]?\d+", plain):
        raise ValueError(
            f"has lost digits ({plain}); format the column as a number without decimals and write it again"
        )
    return cell if isinstance(cell, float) else as_text(cell).strip()


def _deadline(cell: Cell, *, decimal_comma: bool) -> Any:
    if isinstance(cell, datetime):
        return cell.isoformat()
    text = unicodedata.normalize("NFKC", as_text(cell)).strip()
    if decimal_comma and (found := _DECIMAL_COMMA.fullmatch(text)):
        text = f"{found[1]}.{found[2]}"
    if found := _YEAR_FIRST.fullmatch(text):  # 2026/12/4 9:30, as spreadsheets in China write it into CSV
        return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}T{found[4].zfill(8 if found[4].count(':') == 2 else 5)}"
    if _DATE_ALONE.fullmatch(text):
        raise ValueError(f"is a date without its time ({text}); write both, such as 2030-01-31 18:00")
    return float(text) if text.replace(".", "", 1).isdecimal() else text


def _reference(text: str) -> str:
    """A reference to a file; a relative Windows path gets forward slashes. Windows copies a path with quotation
    marks."""
    text = without_unseen(text).strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if text.startswith("=DISPIMG("):
        raise ValueError("is a picture in the cell; write the path or the URL of its file instead")
    relative = "\\" in text and "/" not in text and not re.match(r"[A-Za-z]:|\\\\", text)
    return text.replace("\\", "/") if relative else text


def _list(text: str, items: Callable[[str], list[str]]) -> list[Any]:
    return parse_list(text) if text.startswith("[") else list(items(text))


def _split(mark: re.Pattern[str], text: str) -> list[str]:
    return [item for part in mark.split(text) if (item := part.strip())]


def _text_items(text: str) -> list[str]:
    bar, comma = _LIST_MARKS
    return _split(bar if bar.search(text) else comma, text)


def _media_items(text: str) -> list[str]:
    """The references in a text. URLs and data URIs contain commas too: a comma separates only if every piece is a
    reference by itself."""
    bar, comma = _LIST_MARKS
    found: list[str] = []
    for item in _split(bar, text):
        pieces = _split(comma, item)
        whole = item.startswith("data:") or not all(map(_is_reference, pieces))
        found += [item] if whole else pieces
    return found


def _is_reference(text: str) -> bool:
    if text.startswith("asset://"):
        return True
    address, _, _ = text.partition("?")
    return address.rpartition(".")[2].lower() in _MEDIA_ENDINGS


_READERS: Mapping[str, Callable[[Cell], Any]] = {"ratio": _ratio, "resolution": _resolution}
