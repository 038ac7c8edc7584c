"""Create real images, videos and sounds of any size for tests."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
from PIL import Image


def picture(width: int = 400, height: int = 300, form: str = "PNG", colour: int = 0) -> bytes:
    """An image of one colour; each colour gives other bytes."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (colour % 256, 30, 90)).save(out, form)
    return out.getvalue()


def clip(path: Path, seconds: float = 2, size: tuple[int, int] = (864, 496), fps: int = 24) -> Path:
    """A video of grey frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame(*size, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for number in range(round(seconds * fps)):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sound(path: Path, seconds: float = 2) -> Path:
    """Silence as WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * round(seconds * 8000)))
    return path
