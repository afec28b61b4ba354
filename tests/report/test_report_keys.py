"""The signing key: made once, for its owner alone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from drishtiksha.errors import ReportError
from drishtiksha.report import keys


def test_it_is_made_at_first_use_for_its_owner_alone(tmp_path):
    assert keys.known_fingerprint(tmp_path) is None
    assert not (tmp_path / "keys").exists()
    key = keys.signing_key(tmp_path)
    path = tmp_path / "keys" / keys.FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == [keys.FILE_NAME]
    assert keys.known_fingerprint(tmp_path) == keys.fingerprint(key.public_key())


def test_many_at_once_get_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: keys.signing_key(tmp_path), range(16)))
    assert len({keys.fingerprint(key.public_key()) for key in made}) == 1


@pytest.mark.skipif(os.name != "posix", reason="rights of files are those of POSIX")
def test_a_key_that_others_can_read_is_refused(tmp_path):
    keys.signing_key(tmp_path)
    (tmp_path / "keys" / keys.FILE_NAME).chmod(0o644)
    with pytest.raises(ReportError, match="chmod 600"):
        keys.signing_key(tmp_path)


@pytest.mark.parametrize("kind", ["text", "rsa", "link"])
def test_what_is_no_such_key_is_refused(tmp_path, kind):
    path = tmp_path / "keys" / keys.FILE_NAME
    path.parent.mkdir()
    real = tmp_path / "elsewhere"
    place = real if kind == "link" else path
    place.write_bytes(b"hello")
    if kind == "rsa":
        place.write_bytes(
            generate_private_key(65537, 2048).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    place.chmod(0o600)
    if kind == "link":
        path.symlink_to(real)
    with pytest.raises(ReportError, match=r"signing key|Ed25519"):
        keys.signing_key(tmp_path)


def test_fingerprints_are_compared_as_people_write_them():
    digits = "0123abcd" * 8
    assert keys.grouped(digits).startswith("0123 abcd 0123")
    assert keys.same_fingerprint(digits, keys.grouped(digits).upper())
    assert keys.same_fingerprint(digits, ":".join(digits[i : i + 2] for i in range(0, 64, 2)))
    assert not keys.same_fingerprint(digits, digits[:-1] + "e")
