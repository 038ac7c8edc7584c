"""Names that people give to the fields of a job in column headers, and common misspellings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final

from producer.intake.job_spec import JOB_FIELDS

WORDS: Final[Mapping[str, str]] = {
    "prompt": "text prompt, 提示词, 提示詞, 提示语, 提示語, 画面描述, 畫面描述, 视频描述, 視頻描述",
    "tier": "model tier, 档位, 檔位, 模型档位",
    "model": "model name, 模型, 模型名称, 模型名稱",
    "output_format": "format, 输出格式, 輸出格式, 视频格式",
    "draft": "sample, 样片, 樣片",
    "draft_of": "draft job, draft id, 样片任务, 樣片任務",
    "task_type": "任务类型, 任務類型",
    "resolution": "分辨率, 解析度, 清晰度",
    "ratio": "aspect ratio, aspect, 比例, 宽高比, 寬高比, 长宽比, 長寬比, 画幅, 畫幅",
    "duration": "duration s, duration sec, duration seconds, seconds, 时长, 時長, 秒数, 秒數",
    "audio": "sound, with audio, with sound, generate audio, 声音, 聲音, 音频, 音頻, 有声, 有聲, 是否有声",
    "first_frame": "first frame image, start frame, start image, 首帧, 首幀, 首帧图, 首幀圖, 首帧图片, 首幀圖片",
    "last_frame": "last frame image, end frame, end image, 尾帧, 尾幀, 尾帧图, 尾幀圖, 尾帧图片, 尾幀圖片, 末帧, 末幀",
    "reference_images": "reference image, ref image, ref images, 参考图, 參考圖, 参考图片, 參考圖片, 参考图像",
    "reference_videos": "reference video, ref video, ref videos, 参考视频, 參考視頻, 參考影片",
    "reference_audios": "reference audio, ref audio, ref audios, 参考音频, 參考音頻",
    "operation": "操作方式, 操作类型",
    "web_search": "联网搜索, 聯網搜尋, 联网",
    "seed": "random seed, 种子, 種子, 随机种子, 隨機種子",
    "watermark": "水印, 浮水印",
    "camera_fixed": "fixed camera, 固定镜头, 固定鏡頭, 镜头固定, 鏡頭固定, 固定机位",
    "return_last_frame": "返回尾帧, 返回尾幀",
    "gateway_options": "",
    "idempotency_key": "幂等键",
    "priority": "优先级, 優先級, 优先度",
    "account": "",
    "deadline": "截止时间, 截止時間, 期限",
    "webhook_url": "webhook, callback url, 回调地址, 回調地址",
    "metadata": "meta data, 元数据, 元資料",
    "tags": "tag, 标签, 標籤",
}
"""Other names of each field, in any case, with any spaces, hyphens or underscores."""

_PREFIXES = ("视频", "視頻", "影片", "画面", "畫面", "输出", "輸出", "生成", "video", "output")
_MISSPELT: Final[Mapping[str, str]] = {
    "提示次": "提示词",
    "提示辞": "提示词",
    "时常": "时长",
    "時常": "時長",
    "比列": "比例",
    "分辩率": "分辨率",
    "分辨律": "分辨率",
    "首祯": "首帧",
    "尾祯": "尾帧",
    "种籽": "种子",
    "优先极": "优先级",
    "优先集": "优先级",
    "标鉴": "标签",
}
"""Words that Chinese input methods offer for the same sounds."""
_OTHER_WORDS = frozenset({"round", "pound", "found", "radio", "revolution"})
"""Ordinary words that are one letter away from the name of a field."""
_REMARK = re.compile(r"[(\[{<【《（].*[)\]}>】》）]$")
_MAX_NAME_CHARS = 500
_SEPARATORS = re.compile(r"[\s_\-.:：*＊/·\u200b\ufeff]+")


def folded(name: str) -> str:
    """A name for comparison: without case, width, spaces, separators, and a remark in brackets at its end."""
    return _folded(name[:_MAX_NAME_CHARS])


@lru_cache(maxsize=1_024)  # each row of a file of objects repeats its names
def _folded(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).strip().casefold()
    return _SEPARATORS.sub("", _REMARK.sub("", text).strip()) or _SEPARATORS.sub("", text)


_FIELDS: Final[Mapping[str, str]] = {
    folded(word): field for field in JOB_FIELDS for word in (field, *WORDS.get(field, "").split(", ")) if word
}


KEY_WORDS: Final = tuple(folded(word) for word in ("idempotency_key", "sku", "货号", "款号", "商品编号", "商品编码"))
"""Columns whose value names a row for people."""
ERRORS_COLUMN: Final = "reelq errors"
"""The column that `--write-errors` adds to a copy of the sheet; it is not read back."""
ERRORS: Final = folded(ERRORS_COLUMN)
RESULT_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "state": ("reelq state", "reelq 状态"),
    "reason": ("reelq reason", "reelq 原因"),
    "advice": ("reelq advice", "reelq 建议"),
    "gateway": ("reelq gateway's words", "reelq 网关原文"),
    "cost": ("reelq cost", "reelq 费用"),
    "currency": ("reelq currency", "reelq 币种"),
    "video": ("reelq video link", "reelq 视频链接"),
    "poster": ("reelq poster", "reelq 封面"),
    "review": ("reelq review", "reelq 审核"),
    "comment": ("reelq comment", "reelq 审核意见"),
    "row": ("reelq row", "reelq 行号"),
    "variant": ("reelq variant", "reelq 版式"),
    "versions": ("reelq versions", "reelq 版本数"),
    "created": ("reelq enqueued", "reelq 提交时间"),
    "finished": ("reelq finished", "reelq 完成时间"),
    "job": ("reelq job", "reelq 任务"),
}
"""The columns that an export adds to the sheet, in English and Chinese; they are not read back."""
OF_RESULTS: Final = frozenset(folded(name) for names in RESULT_COLUMNS.values() for name in names)
OURS: Final = OF_RESULTS | {ERRORS}
"""The columns that reelq itself has written into a sheet."""


def field_of(name: str) -> str | None:
    """The field that a name means; None: no field."""
    key = folded(name)
    if key in _FIELDS:
        return _FIELDS[key]
    for prefix in _PREFIXES:
        if (field := _FIELDS.get(key.removeprefix(prefix))) is not None:
            return field
    return None


def near_miss(name: str) -> str | None:
    """The correct name of the field that a misspelt name probably means; None: it is not close to any."""
    key = folded(name)
    if key in _MISSPELT:
        return _MISSPELT[key]
    if not key.isascii() or key in _OTHER_WORDS:
        return None
    near = [(_distance(key, word), word) for word in _FIELDS if word.isascii() and _is_near(key, word)]
    return _FIELDS[min(near)[1]] if near else None


def _is_near(key: str, word: str) -> bool:
    if abs(len(key) - len(word)) > 2:
        return False
    if len(word) <= 4:  # in short words, one letter makes a different word: need, speed, tabs
        swapped = len(key) == len(word) and sorted(key) == sorted(word) and _distance(key, word) == 1
        return swapped or (len(key) == len(word) + 1 and _doubled(key) == word) or key == f"{word}s"
    return _distance(key, word) <= (1 if len(word) < 8 else 2)


def _doubled(key: str) -> str:
    """A word without the second letter of its first pair."""
    for place, (one, other) in enumerate(pairwise(key)):
        if one == other:
            return key[:place] + key[place + 1 :]
    return key


def _distance(one: str, other: str) -> int:
    """The number of letters to add, drop, replace or swap with a neighbour (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, a in enumerate(one, 1):
        this = [row]
        for column, b in enumerate(other, 1):
            cost = min(last[column] + 1, this[-1] + 1, last[column - 1] + (a != b))
            if row > 1 and column > 1 and a == other[column - 2] and one[row - 2] == b:
                cost = min(cost, before[column - 2] + 1)
            this.append(cost)
        before, last = last, this
    return last[-1]
