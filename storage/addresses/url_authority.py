"""The part of a URL with user, password and hosts, also where the password breaks it."""

from __future__ import annotations

HINT = (
    "if its password holds / ? # @ : or %, write these as %2F %3F %23 %40 %3A %25, or leave the password out and set {}"
)


def split_authority(rest: str) -> tuple[str, str, str]:
    """What follows `scheme://`, in three: user, password and hosts; the mark that ends them, "" if none; the rest."""
    ends = [at for at in (rest.find(mark) for mark in "/?#") if at >= 0]
    end = min(ends, default=len(rest))
    return rest[:end], rest[end : end + 1], rest[end + 1 :]


def is_broken_by_password(url: str) -> bool:
    """Whether a password seems to break the URL: there are two `@`, or the one before the host comes too late."""
    authority, mark, tail = split_authority(url.partition("://")[2])
    if "@" in authority:
        return authority.count("@") > 1
    after = tail.partition("?")[0] if mark == "/" else tail
    is_port = authority.rpartition("]")[2].rpartition(":")[2].isdecimal()
    return bool(authority) and "@" in after and (mark == "/" or (":" in authority and not is_port))
