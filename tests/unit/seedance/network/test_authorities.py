"""The files with certificate authorities that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seedance.network.authorities import read_authorities
from seedance.problems import InvalidInput
from tests.certificates import Certificates, make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_a_file_that_was_replaced_is_read_again(certificates: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "authorities.pem"
    good = Path(certificates.authority).read_bytes()
    path.write_bytes(good)
    named = {"SSL_CERT_FILE": str(path), "REQUESTS_CA_BUNDLE": str(path)}
    assert read_authorities(named).sources == tuple(named.items())
    for bad, says in ((b"nothing", "holds no certificate"), (None, "cannot be read")):
        path.unlink() if bad is None else path.write_bytes(bad)
        with pytest.raises(InvalidInput, match=f"SSL_CERT_FILE: {path} {says}"):
            read_authorities(named)
    path.write_bytes(good)
    assert read_authorities(named).sources == tuple(named.items())


def test_a_file_that_lost_its_certificates_without_a_change_in_size_is_read_again(
    certificates: Certificates, tmp_path: Path
) -> None:
    path = tmp_path / "authorities.pem"
    good = Path(certificates.authority).read_bytes()
    path.write_bytes(good)
    os.utime(path, (1, 1))
    read_authorities({"SSL_CERT_FILE": str(path)})
    path.write_bytes(b" " * len(good))
    with pytest.raises(InvalidInput, match="holds no certificate"):
        read_authorities({"SSL_CERT_FILE": str(path)})
