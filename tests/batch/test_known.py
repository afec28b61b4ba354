"""The set of what earlier runs answered, against a plain set."""

from __future__ import annotations

import hashlib
import pickle

from drishtiksha.batch.known import KEY_BYTES, Known, content_key, key_of, version_key


def test_it_is_a_set():
    keys = [hashlib.sha256(str(number).encode()).digest()[:KEY_BYTES] for number in range(2000)]
    keys += [bytes(KEY_BYTES), b"\1" * 15 + b"\0", b"\1" * 14 + b"\0\0"]
    held, left_out = keys[::2], keys[1::2]
    known = pickle.loads(pickle.dumps(Known(held)))
    assert all(key in known for key in held)
    assert not any(key in known for key in left_out)
    assert len(known) == len(held)
    assert keys[0] not in Known()


def test_it_grows(monkeypatch):
    monkeypatch.setattr("drishtiksha.batch.known.MERGED_AT", 7)
    keys = [hashlib.sha256(str(number).encode()).digest()[:KEY_BYTES] for number in range(50)]
    known = Known(keys[:10])
    for number, key in enumerate(keys[5:40], 5):
        assert (key in known) == (number < 10)
        known.add(key)
        assert key in known
    assert len(known) == 40
    assert not any(key in known for key in keys[40:])


def test_every_part_of_a_key_counts():
    sha256 = "ab" * 32
    facts = {"name": "a", "path": "p", "label": None, "groups": {"g": "1"}, "version": ""}
    others = [
        {"name": "b"},
        {"path": "q"},
        {"label": "real"},
        {"groups": {"g": "2"}},
        {"version": "1"},
        {"name": "a\udcff"},
    ]
    keys = [
        key_of(facts, sha256, "r", "m"),
        *(key_of(facts | other, sha256, "r", "m") for other in others),
        *(version_key(facts | other, "r", "m") for other in others),
        key_of(facts, "cd" * 32, "r", "m"),
        key_of(facts, sha256, "s", "m"),
        key_of(facts, sha256, "r", "n"),
        key_of(facts, sha256, "", "rm"),
        content_key(sha256, "r", "m"),
        content_key(sha256[:-1] + "c", "r", "m"),
        content_key(sha256, "s", "m"),
        content_key(sha256, "r", "n"),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(facts, sha256[:16], "r", "m") == keys[0], "the table of an evaluation keeps 16 digits"
    assert key_of(dict(reversed(facts.items())), sha256, "r", "m") == keys[0]
