"""SHA-256 of every file of a release, and a signature of the list by a key that the caller has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.release.packages import BuildFailed, run

SUMS = "SHA256SUMS"
NAMESPACE = "reelq-release"
"""What an SSH signature is for; one made for something else does not verify."""


def write_sums(folder: Path) -> Path:
    """The list, as `sha256sum --check` reads it."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(SUMS))
    sums = folder / SUMS
    lines = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    sums.write_text("".join(lines), encoding="utf-8")
    return sums


def sign(sums: Path, method: str, key: str) -> Path:
    """Sign the list with `ssh` (a key's file), `minisign` (a secret key's file) or `gpg` (a key's name); returns the
    signature. Programs ask for passphrases themselves.

    Raises:
        BuildFailed: there is no such method, or its program failed.
    """
    try:
        return _METHODS[method](sums, key)
    except KeyError:
        raise BuildFailed(f"{method}: sign with one of {', '.join(_METHODS)}, as in ssh:~/.ssh/release") from None


def _ssh(sums: Path, key: str) -> Path:
    signature = sums.with_name(f"{sums.name}.sig")
    signature.unlink(missing_ok=True)  # it asks before it overwrites one
    run("ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", Path(key).expanduser(), sums)
    return signature


def _minisign(sums: Path, key: str) -> Path:
    signature = sums.with_name(f"{sums.name}.minisig")
    run("minisign", "-S", "-s", Path(key).expanduser(), "-m", sums, "-x", signature)
    return signature


def _gpg(sums: Path, key: str) -> Path:
    signature = sums.with_name(f"{sums.name}.asc")
    run("gpg", "--batch", "--yes", "--armor", "--local-user", key, "--output", signature, "--detach-sign", sums)
    return signature


_METHODS: Mapping[str, Callable[[Path, str], Path]] = {"ssh": _ssh, "minisign": _minisign, "gpg": _gpg}
