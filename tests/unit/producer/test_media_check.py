"""Local files are probed in a child process and checked against the gateways' documented limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

from producer.intake import media_check
from producer.intake.media_check import MediaFacts, Probe, media_problems
from seedance.gateways.registry import DIALECTS
from seedance.request import GenerationRequest, Modality
from tests.media_files import clip, picture, sound


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    made = Probe()
    yield made
    made.close()


def look(probe: Probe, path: Path, modality: Modality) -> MediaFacts:
    return probe.look(path, modality, path.stat().st_size)


@pytest.mark.parametrize(
    ("form", "name"),
    [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tiff")],
)
def test_the_probe_finds_format_and_size_of_a_picture(probe: Probe, tmp_path: Path, form: str, name: str) -> None:
    path = tmp_path / "hero.bin"  # the name does not matter
    path.write_bytes(picture(640, 360, form))
    found = look(probe, path, "image")
    assert (found.format, found.width, found.height, found.seconds) == (name, 640, 360, None)
    assert str(found).startswith(f"hero.bin: {name}, 640x360, 0.0 MB") or found.size_bytes > 50_000


def test_the_probe_finds_the_size_of_heif_without_decoding(probe: Probe, tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    extents = b"".join(b"ispe" + bytes(4) + w.to_bytes(4) + h.to_bytes(4) for w, h in ((512, 512), (4032, 3024)))
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + extents)
    assert look(probe, path, "image") == MediaFacts("a.heic", "heic", path.stat().st_size, 4032, 3024)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_the_probe_finds_length_size_and_rate_of_a_clip(probe: Probe, tmp_path: Path, suffix: str) -> None:
    found = look(probe, clip(tmp_path / f"a.{suffix}", 2.5, (864, 496), 30), "video")
    assert (found.format, found.width, found.height, found.fps) == (suffix, 864, 496, 30.0)
    assert found.seconds == pytest.approx(2.5, abs=0.05)


def test_the_probe_finds_the_length_of_a_sound(probe: Probe, tmp_path: Path) -> None:
    found = look(probe, sound(tmp_path / "a.wav", 3), "audio")
    assert (found.format, found.seconds, found.width) == ("wav", 3.0, None)


def test_a_file_of_another_kind_is_refused(probe: Probe, tmp_path: Path) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n")
    (tmp_path / "noise.mp3").write_bytes(b"\xff\xfb" + os.urandom(4000))
    (tmp_path / "cut.mp4").write_bytes(clip(tmp_path / "whole.mp4").read_bytes()[:200])
    (tmp_path / "script.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run\n")
    cases: list[tuple[str, Modality]] = [
        ("list.mp4", "video"),
        ("noise.mp3", "audio"),
        ("cut.mp4", "video"),
        ("script.png", "image"),
        ("whole.mp4", "image"),
        ("whole.mp4", "audio"),
    ]
    for name, modality in cases:
        with pytest.raises(ValueError, match=rf"{name} (cannot be read as|contains no|has no)"):
            look(probe, tmp_path / name, modality)
    assert look(probe, tmp_path / "whole.mp4", "video").format == "mp4", "the child survives each of them"


def test_a_huge_picture_is_not_decoded(probe: Probe, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    header = b"\0\0\0\rIHDR" + (60_000).to_bytes(4) * 2 + b"\x08\x02\0\0\0"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + zlib.crc32(header[4:]).to_bytes(4) + b"\0\0\0\0IDAT")
    assert look(probe, path, "image").width == 60_000


def test_a_crash_or_hang_of_the_child_costs_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    probe = Probe()
    assert look(probe, path, "image").format == "png"
    child = probe._child
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    monkeypatch.setattr(media_check, "PROBE_S", 0.2)
    with pytest.raises(ValueError, match=r"a.png took more than 0.2 s to read"):
        look(probe, path, "image")
    monkeypatch.undo()
    assert look(probe, path, "image").format == "png"
    child = probe._child
    assert child is not None
    child.kill()
    child.wait()
    with pytest.raises(ValueError, match=r"a.png crashes the program that reads it"):
        look(probe, path, "image")
    assert look(probe, path, "image").format == "png"
    probe.close()


def test_the_child_does_not_import_from_where_it_is_started(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "a.png").write_bytes(picture())
    code = (
        "from pathlib import Path; from producer.intake.media_check import Probe; p = Probe();"
        "print(p.look(Path('a.png'), 'image', 1).format); p.close()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "png\n"), done.stderr


STARTS = (
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"RIFF\xff\xff\xff\x7fWAVEfmt ",
    b"ID3\x04\0\0",
    b"\xff\xfb",
    b"\0\0\0\x18ftypisom\0\0\0\0",
    b"\0\0\0\x18ftypheic\0\0\0\0ispe",
)


@hypothesis.settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@hypothesis.given(st.sampled_from(STARTS), st.binary(max_size=400), st.sampled_from(("image", "video", "audio")))
def test_any_bytes_are_described_or_refused(
    probe: Probe, tmp_path: Path, start: bytes, rest: bytes, modality: Modality
) -> None:
    path = tmp_path / "any.bin"
    path.write_bytes(start + rest)
    said = ""
    try:
        assert look(probe, path, modality).format
    except ValueError as exc:
        said = str(exc)
    assert "crashes the program that reads it" not in said


IMAGE = "upload://" + "0" * 64 + ".png"
VIDEO = "upload://" + "1" * 64 + ".mp4"
VIDEO_2 = "upload://" + "2" * 64 + ".mp4"
AUDIO = "upload://" + "3" * 64 + ".wav"
GOOD_IMAGE = MediaFacts("a.png", "png", 1000, 400, 300)
GOOD_VIDEO = MediaFacts("a.mp4", "mp4", 1000, 1280, 720, 5.0, 24.0)
GOOD_AUDIO = MediaFacts("a.wav", "wav", 1000, seconds=3.0)
REQUEST = GenerationRequest(
    prompt="x", reference_images=(IMAGE,), reference_videos=(VIDEO, VIDEO_2), reference_audios=(AUDIO,)
)


ANYFAST = DIALECTS["anyfast"].row_for(REQUEST)
FIELDS = {"image": "reference_images[0]", "video": "reference_videos[0]", "audio": "reference_audios[0]"}
KNOWN = {"image": (IMAGE, GOOD_IMAGE), "video": (VIDEO, GOOD_VIDEO), "audio": (AUDIO, GOOD_AUDIO)}


@pytest.mark.parametrize(
    ("gateway", "kind", "values", "said"),
    [
        ("anyfast", "image", {"width": 299}, "sides of 300 to 6000 pixels, not 299x300"),
        ("anyfast", "image", {"width": 900}, "width / height of 0.4 to 2.5, not 3.00 (900x300)"),
        ("anyfast", "image", {"size_bytes": 30_000_000}, "less than 30 MB, not 30.0 MB"),
        ("anyfast", "video", {"seconds": 1.8}, "2 to 15 s, not 1.8 s; a.mp4: mp4, 1280x720, 1.8 s"),
        ("anyfast", "video", {"fps": 61}, "24 to 60 frames a second, not 61"),
        ("anyfast", "audio", {"seconds": 16}, "2 to 15 s, not 16.0 s"),
        ("anyfast", "audio", {"size_bytes": 15_000_000}, "less than 15 MB"),
        ("ark", "video", {"width": 640, "height": 360}, "409,600 to 2,086,876 pixels in all, not 230,400 (640x360)"),
        ("evolink", "image", {"format": "gif"}, "jpg, png, webp, not gif"),
        ("12ai", "video", {"seconds": 1.6}, "1.8 to 15 s, not 1.6 s"),
        ("uniall", "video", {"seconds": 15.2}, "2 to 15 s, not 15.2 s"),
    ],
)
def test_a_broken_limit_is_named_with_the_file(gateway: str, kind: str, values: dict[str, Any], said: str) -> None:
    reference, good = KNOWN[kind]
    row = DIALECTS[gateway].row_for(REQUEST)
    known = dict(KNOWN.values()) | {VIDEO_2: GOOD_VIDEO}
    assert list(media_problems(gateway, row, REQUEST, known)) == []
    broken = known | {reference: replace(good, **values)}
    found = {problem.field: problem.message for problem in media_problems(gateway, row, REQUEST, broken)}
    assert found[FIELDS[kind]].startswith(f"{gateway} takes ")
    assert said in found[FIELDS[kind]]


def test_the_clip_that_exceeds_the_total_length_is_named() -> None:
    known = {VIDEO: replace(GOOD_VIDEO, seconds=10.2), VIDEO_2: GOOD_VIDEO}
    [problem] = media_problems("anyfast", ANYFAST, REQUEST, known)
    assert problem.field == "reference_videos[1]"
    assert "15 s of video together, not 15.2" in problem.message


def test_rounded_lengths_and_rates_pass() -> None:
    known = {AUDIO: replace(GOOD_AUDIO, seconds=15.08), VIDEO: replace(GOOD_VIDEO, fps=24000 / 1001)}
    assert list(media_problems("anyfast", ANYFAST, REQUEST, known)) == []


def test_references_without_facts_are_not_checked() -> None:
    request = GenerationRequest(prompt="x", first_frame="https://a/b.png")
    assert list(media_problems("anyfast", ANYFAST, request, {})) == []
