"""The set of what earlier runs answered, against a plain set."""

from __future__ import annotations

import hashlib
import pickle

from drishtiksha.batch.known import KEY_BYTES, Known, key_of, version_key


def test_it_is_a_set():
    keys = [hashlib.sha256(str(number).encode()).digest()[:KEY_BYTES] for number in range(2000)]
    keys += [bytes(KEY_BYTES), b"\1" * 15 + b"\0", b"\1" * 14 + b"\0\0"]
    held, left_out = keys[::2], keys[1::2]
    known = pickle.loads(pickle.dumps(Known(held)))
    assert all(key in known for key in held)
    assert not any(key in known for key in left_out)
    assert len(known) == len(held)
    assert keys[0] not in Known()


def test_every_part_of_a_key_counts():
    sha256 = "ab" * 32
    keys = [
        key_of("a", sha256, "r", "m"),
        key_of("b", sha256, "r", "m"),
        key_of("a", "cd" * 32, "r", "m"),
        key_of("a", sha256, "s", "m"),
        key_of("a", sha256, "r", "n"),
        key_of("a", sha256, "", "rm"),
        version_key("a", sha256[:16], "r", "m"),
        version_key("a\udcff", "", "r", "m"),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of("a", sha256[:16], "r", "m") == keys[0], "the table of an evaluation keeps 16 digits"
