"""Make the paths to a checkout in a virtual environment relative. Python below 3.13 reads them in the encoding of the
locale, and does not start if the checkout's path is beyond it: `LC_ALL` may name a locale that this machine does not
have, and then the encoding is ASCII. Usage: checkout_paths.py VENV"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def make_relative(venv: Path) -> None:
    """Rewrite the files that an editable install has left in `venv`."""
    for file in venv.resolve().glob("lib/python3*/site-packages/_editable_impl_*.pth"):
        paths = dict.fromkeys(file.read_text(encoding="utf-8").splitlines())
        relative = [os.path.relpath(file.parent / path, file.parent) for path in paths if path]
        file.write_text("".join(f"{path}\n" for path in relative), encoding="utf-8")


if __name__ == "__main__":
    make_relative(Path(sys.argv[1]))
