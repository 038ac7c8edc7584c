"""Find texts that must never be paid for: errors of spreadsheets and unfilled placeholders."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from seedance.problems import shorten

_ERRORS: Final = (
    # English
    "#N/A #REF! #NAME? #VALUE! #DIV/0! #NUM! #NULL! #SPILL! #CALC! #FIELD! #BLOCKED! #UNKNOWN! #CONNECT! #BUSY! "
    "#PYTHON! #GETTING_DATA #ERROR! "
    # German, French, Spanish, Italian, Portuguese
    "#NV #BEZUG! #WERT! #ZAHL! #ÜBERLAUF! #NOM? #VALEUR! #NOMBRE! #NUL! #¡REF! #¿NOMBRE? #¡VALOR! #¡NUM! "
    "#¡DIV/0! #¡NULO! #RIF! #NOME? #VALORE! #VALOR! #NÚM! #NULO! #N/D #Н/Д"
)
_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""A letter or digit that may go on with a word: Chinese, Japanese and Korean text follows an error without a space."""
_SIGNS_OF_ERRORS: Final = ("#", ":5")
"""Each error has one of them, and few texts have."""
_PLACEHOLDER = re.compile(r"\{\{[^{}\n]{0,100}\}\}|\{%[^{}\n]{0,100}%\}|\{[\w.\-\s]{0,60}\}")


def unusable(text: str) -> str | None:
    """Why a text must not be sent; None: it may be sent."""
    if any(sign in text for sign in _SIGNS_OF_ERRORS) and (found := _error().search(text)):
        return f"holds {found[0].strip()}, an error of the spreadsheet; correct the cell and save the file again"
    if found := _PLACEHOLDER.search(text):
        return f"holds {shorten(found[0])}, an unfilled placeholder; write the text itself"
    return None


@cache
def _error() -> re.Pattern[str]:
    """An error, as a word of its own; compiled when it is needed, because it takes 7 ms."""
    words = "|".join(re.escape(word) for word in _ERRORS.split())
    return re.compile(
        rf"(?<!{_LETTER})(?<!#)(?:{words})(?!{_LETTER})(?!!)" r"|^\s*(?:Err:5\d\d|#{3,})\s*$", re.IGNORECASE
    )
