"""Delete from a virtual environment what no part of reelq reads: descriptions of other AWS services, test suites, C
sources, and symbols for debuggers. Usage: slim.py FOLDER"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# What boto3 reads for an S3 client and for every way to its credentials.
SERVICES = {"s3", "sts", "sso", "sso-oidc", "signin"}
TESTS = ("tornado/test", "sqlalchemy/testing", "alembic/testing", "celery/contrib/testing", "certifi/tests")
SOURCES = {".c", ".pyi", ".pyx", ".pxd", ".h"}


def slim(folder: Path) -> int:
    """Delete; returns the bytes saved."""
    (packages,) = folder.glob("lib/python3*/site-packages")
    before = _size(folder)
    for service in (packages / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for name in TESTS:
        shutil.rmtree(packages / name, ignore_errors=True)
    for path in packages.rglob("*"):
        if path.suffix in SOURCES and path.is_file():
            path.unlink()
    modules = [str(path) for path in packages.rglob("*.so") if not path.parent.name.endswith(".libs")]
    # Libraries in `….libs` were rewritten when their wheel was made; strip can break those.
    subprocess.run(["strip", "--strip-unneeded", *modules], check=True)
    return before - _size(folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    saved = slim(Path(sys.argv[1]))
    print(f"saved {saved / 1e6:.0f} MB")  # noqa: T201 - for the log of the build
