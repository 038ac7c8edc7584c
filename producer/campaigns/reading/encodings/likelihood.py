"""Estimate how unlikely a text is as human writing, in bits, to tell the right decoding from mojibake.

Only non-ASCII characters count, because all candidate encodings agree on ASCII. Rough figures suffice: the right
decoding of a few words is tens of bits below a wrong one, and otherwise the user is asked.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

from producer.campaigns.reading.encodings.hanzi import SIMPLIFIED, TRADITIONAL

# (rank, bits): up to this rank a character costs these bits: -log2 of the mean frequency of a character of the tier.
_TIERS: Final = ((200, 8.6), (500, 10.4), (1000, 11.8), (len(SIMPLIFIED), 13.8))
_LISTED_BITS: Final = {
    char: bits
    for rank, pair in reversed(list(enumerate(zip(SIMPLIFIED, TRADITIONAL, strict=True))))
    for char in pair
    for limit, bits in reversed(_TIERS)
    if rank < limit
}
_KNOWN_HANZI, _RARE_HANZI = 17.6, 24.0
_LONE_HANZI, _HANZI_IN_WORD = 6.0, 14.0

_HANZI = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(
    f"[{_HANZI}]+|[^\\W\\d_{_HANZI}\u3040-\u30ff\uac00-\ud7af]+|[\u3040-\u30ff]+|[\uac00-\ud7af]+|[^\x00-\x7f]"
)
"""Pieces that are rated together: hanzi, a word of an alphabet, kana, hangul, or one other character."""

_PUNCTUATION = frozenset("，。！？：；、（）《》〈〉“”‘’…—–【】「」『』￥～％＋－／＝＆＃＠｜\u3000\u00a0•→")
_LATIN_SIGNS = frozenset("£¥€©®°·«»¿¡²³½¼¾×±µ§ªº™№′″")
_HANGUL = frozenset(
    "이가는을를에의은도로고다하지사기리나어한인자스시서있대해그아정부라보수전만일들제안구장화여주마오조원상경소세무동게방비우중선"
    "신공국문물미유과관성계거드것된연용개바년간학실내불결반모적통강양분발현저생출트산날때람길밤비울꽃별숲늘빛봄눈물속위아래뒤앞달린"
    "며면니와터크러르운여진까지으로데요야습입됩합니네타카파피키티단명남북서동교회체론차후야점행음품예약심설준임금건영청년치업말던"
)
_HOME = {  # the letters of each alphabet in everyday use
    "LATIN": re.compile("[A-Za-zÀ-ÖØ-öø-žƠơƯưȘ-țẠ-ỹ]"),
    "CYRILLIC": re.compile("[Ѐ-џҐґәғқңөұүһіӘҒҚҢӨҰҮҺІ]"),
    "GREEK": re.compile("[Ά-ώ]"),
    "HEBREW": re.compile("[א-ת]"),
    "ARABIC": re.compile("[ء-ي٠-٩پچژکگی]"),
    "THAI": re.compile("[ก-๛]"),
    "DEVANAGARI": re.compile("[ऀ-ॿ]"),
}
_FIRST_LETTER, _NEXT_LETTER, _LONE_LETTER = 14.0, 6.0, 18.0
_FOREIGN_LETTER, _NEVER = 20.0, 40.0


def bits_of(text: str) -> float:
    """The bits of all non-ASCII characters in a text. Letters with accents of their own, as Macs write them in names of
    files, count as the usual letters."""
    text = unicodedata.normalize("NFC", text)
    return sum(_bits_of_run(text, found.start(), found.group()) for found in _RUN.finditer(text))


def _bits_of_run(text: str, start: int, run: str) -> float:
    if run.isascii():
        return 0.0
    char = run[0]
    if _is_hanzi(char):
        return sum(map(_bits_of_hanzi, run)) + (_loneliness(text, start) if len(run) == 1 else 0.0)
    if not char.isalpha():
        return sum(_bits_of_sign(text, start + place, item) for place, item in enumerate(run))
    script = _script(char)
    if script == "HANGUL":
        return sum(map(_bits_of_hangul, run)) + (_LONE_HANZI if len(run) == 1 else 0.0)
    if script in {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}:
        return _FIRST_LETTER / 2 + 6.5 * len(run)
    return _bits_of_word(run)


def count_hanzi(text: str) -> int:
    """The number of Chinese characters in a text."""
    return sum(map(_is_hanzi, text))


def _is_hanzi(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\U00020000" <= char <= "\U0003ffff"


@cache
def _bits_of_hanzi(char: str) -> float:
    found = _LISTED_BITS.get(char)
    if found is not None:
        return found
    return _KNOWN_HANZI if _fits(char, "gb2312") or _is_level_one_of_big5(char) else _RARE_HANZI


def _is_level_one_of_big5(char: str) -> bool:
    """Whether it is one of the 5,401 common characters that Big5 lists first."""
    return _fits(char, "big5") and char.encode("big5")[0] < 0xC9


def _loneliness(text: str, start: int) -> float:
    """Extra bits of a single hanzi, which is rare; next to letters, as in caf茅, it is mojibake."""
    before, after = text[start - 1 : start], text[start + 1 : start + 2]
    attached = (before.isascii() and before.islower()) or (after.isascii() and after.islower())
    return _HANZI_IN_WORD if attached else _LONE_HANZI


def _bits_of_sign(text: str, start: int, char: str) -> float:
    if char in _PUNCTUATION:
        return 6.0
    before, after = text[max(start - 1, 0) : start], text[start + 1 : start + 2]
    if char in _LATIN_SIGNS:
        return _bits_of_latin_sign(char, before, after)
    match unicodedata.category(char):
        case "Cn" | "Cs" | "Co" | "Cc":
            return _NEVER
        case "So" | "Sk" | "Mn" | "Me" | "Cf" if char > "\u2000":  # emoji, their colours and joints, arrows
            return 10.0
        case "Mn" if before and _script(before) != _script(char):  # a vowel point of Hebrew on a Cyrillic letter
            return _NEVER
        case "Mn" | "Mc" | "Cf":
            return _FOREIGN_LETTER
        case _:
            return 10.0 if "\u2000" <= char < "\u3000" else _RARE_HANZI


def _bits_of_latin_sign(char: str, before: str, after: str) -> float:
    """A sign is cheap where it is used, as in ¥186, 40°, m², «oui»; elsewhere it is half of another character."""
    if (before.isalpha() and not before.isascii()) or (after.isalpha() and char not in "¿¡«"):
        return _FOREIGN_LETTER
    if char in "£¥":
        fits = after.isdigit()
    elif char in "¿¡«©":
        fits = after.isalnum()
    else:
        fits = before.isascii() and before.isalnum()
    return 6.0 if fits else 16.0


def _bits_of_word(word: str) -> float:
    """A word of letters: cheap if all belong to one alphabet and are in everyday use there."""
    bits, scripts = 0.0, {_script(char) for char in word if char.isalpha()}
    in_ascii = any(char.isascii() for char in word)
    for place, char in enumerate(word):
        if char.isascii():
            continue
        if not char.isalpha():
            bits += _bits_of_sign(word, place, char)
            continue
        home = _HOME.get(_script(char))
        if home is None or not home.match(char):
            bits += _FOREIGN_LETTER
        elif _script(char) == "LATIN":
            # Accented letters occur among plain ones; words of accented letters only are typical of wrong encodings.
            bits += _LONE_LETTER if not in_ascii else _NEXT_LETTER if len(word) > 2 else 2 * _NEXT_LETTER
        elif len(word) == 1:
            bits += _LONE_LETTER
        else:
            bits += _FIRST_LETTER if place == 0 else _NEXT_LETTER
    odd_case = word not in {word.lower(), word.upper(), word.title()}
    return bits + _FOREIGN_LETTER * (len(scripts) - 1 + odd_case)


@cache
def _bits_of_hangul(char: str) -> float:
    if char in _HANGUL:
        return 8.0
    return 14.0 if _fits(char, "euc_kr") else _RARE_HANZI


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "UNKNOWN").partition(" ")[0]


def _fits(char: str, codec: str) -> bool:
    try:
        char.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
