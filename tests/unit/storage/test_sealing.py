"""Secrets are encrypted under master keys that can be replaced, and nothing shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from seedance.problems import InvalidInput
from storage.sealing import PREFIX, CannotOpen, Sealer, master_key_bytes, new_master_key
from storage.settings import Settings, load_settings

OLD, NEW = new_master_key(), new_master_key()
SECRET = "sk-a-secret-of-an-account"


def test_what_is_sealed_opens_only_with_its_master_key_and_in_its_place() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(SECRET, "account:a")
    assert SECRET not in sealed and OLD.removeprefix(PREFIX) not in sealed
    assert sealer.open(sealed, "account:a") == SECRET
    assert sealer.seal(SECRET, "account:a") != sealed, "the same secret looks different each time"
    for other, context in ((Sealer([NEW]), "account:a"), (sealer, "account:b"), (Sealer([]), "account:a")):
        with pytest.raises(CannotOpen) as caught:
            other.open(sealed, context)
        assert SECRET not in str(caught.value)
    # Not at the end: the last letter of base64 may hold bits that mean nothing.
    flipped = sealed[:-9] + ("A" if sealed[-9] != "A" else "B") + sealed[-8:]
    for broken in (flipped, sealed[:20], "v2.x.y", ""):
        with pytest.raises(CannotOpen):
            sealer.open(broken, "account:a")
    with pytest.raises(CannotOpen):
        Sealer([]).seal(SECRET, "account:a")


def test_a_master_key_is_replaced_without_a_moment_in_which_nothing_opens() -> None:
    before = Sealer([OLD]).seal(SECRET, "c")
    both = Sealer([NEW, OLD])
    assert both.open(before, "c") == SECRET
    assert not both.is_current(before)
    again = both.seal(both.open(before, "c"), "c")
    assert both.is_current(again)
    assert Sealer([NEW]).open(again, "c") == SECRET


def test_a_wrong_master_key_is_refused_and_not_repeated() -> None:
    for text in ("", "secret", PREFIX, PREFIX + "c2hvcnQ", OLD + "AAAA", OLD.removeprefix(PREFIX)):
        with pytest.raises(ValueError, match="must be") as caught:
            master_key_bytes(text)
        body = text.removeprefix(PREFIX)
        assert not body or body not in str(caught.value)


def test_master_keys_come_from_a_setting_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "master"
    file.write_text(f"{NEW}\n{OLD}\n")
    sealed = Settings(master_key=SecretStr(OLD)).sealer().seal(SECRET, "c")
    from_file = load_settings(tmp_path, {"REELQ_MASTER_KEY_FILE": str(file)})
    assert from_file.sealer().open(sealed, "c") == SECRET
    assert from_file.sealer().current == Settings(master_key=SecretStr(f"{NEW} {OLD}")).sealer().current
    for shown in (repr(from_file), str(from_file.model_dump())):
        assert OLD not in shown and NEW not in shown
    with pytest.raises(InvalidInput, match="REELQ_MASTER_KEY: must be reelq_mk_") as caught:
        load_settings(tmp_path, {"REELQ_MASTER_KEY": "secret!"})
    assert "secret!" not in str(caught.value) and "reelq accounts master-key" in str(caught.value)
