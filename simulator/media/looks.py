"""The forms in which gateways deliver a video: container, codec and pixels, and the boxes that describe them.

Source: measured files of Seedance 2.0 and 2.5; ISO/IEC 14496-15 (avcC, hvcC); ISO/IEC 23008-2 (NAL units)
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from simulator.media.boxes import FTYP, FTYP_QT, box

_START = re.compile(rb"\x00\x00\x00?\x01")
_PARAMETER_SETS = (32, 33, 34)  # NAL types of VPS, SPS and PPS


@dataclass(frozen=True, slots=True)
class Look:
    """One form. `pcm`: the sound is PCM instead of AAC."""

    name: str
    codec: str
    """The encoder's name in FFmpeg."""
    pixels: str
    sample_entry: bytes
    ftyp: bytes = FTYP
    pcm: bool = False


H264 = Look("h264", "libx264", "yuv420p", b"avc1")
H265 = Look("h265", "libx265", "yuv420p10le", b"hvc1")
MOV = Look("mov", "libx264", "yuv444p", b"avc1", FTYP_QT, pcm=True)
LOOKS = {look.name: look for look in (H264, H265, MOV)}


def look_of(version: str, resolution: str, output_format: object) -> Look:
    """What a version of Seedance delivers: `mov` is 4:4:4 with PCM; 2.5 has 10-bit H.265 from 1080p on, 2.0 at 4K."""
    if output_format == "mov":
        return MOV
    return H265 if resolution == "4k" or (version == "2.5" and resolution == "1080p") else H264


def config_box(look: Look, extradata: bytes) -> bytes:
    """`avcC` or `hvcC`. x264 gives the content of avcC; of x265's Annex B parameter sets hvcC is made here."""
    if look is not H265:
        return box(b"avcC", extradata)
    units = {unit[0] >> 1 & 63: unit for unit in nal_units(extradata)}
    # Profile, tier and level are the 12 bytes after the SPS's header and its first byte.
    profile = units[33].replace(b"\0\0\3", b"\0\0")[3:15]
    head = b"\1" + profile + struct.pack(">HBBBBHB", 0xF000, 0xFC, 0xFC | 1, 0xF8 | 2, 0xF8 | 2, 0, 0x0F)
    arrays = b"".join(struct.pack(">BHH", 0x80 | kind, 1, len(units[kind])) + units[kind] for kind in _PARAMETER_SETS)
    return box(b"hvcC", head, bytes((len(_PARAMETER_SETS),)), arrays)


def sample(look: Look, packet: bytes) -> bytes:
    """A packet as it lies in the file: each NAL unit after its length."""
    if look is not H265:
        return packet
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in nal_units(packet))


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B stream."""
    return [unit for unit in _START.split(data) if unit]
