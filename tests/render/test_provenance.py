"""Provenance in words."""

from __future__ import annotations

import re

from sample_results import file_history

from drishtiksha.casefile import CredentialState
from drishtiksha.render.provenance import LOOKS, ordered, plain


def test_no_state_is_called_genuine():
    for look in LOOKS.values():
        assert not re.search(r"\b(genuine|authentic|real)\b(?! or)", f"{look.title} {look.sentence}", re.IGNORECASE)


def test_the_notable_come_first():
    assert [one.title for one in ordered(file_history())] == ["A generator", "An ordinary note"]


def test_plain_lines():
    lines = plain(file_history(CredentialState.BROKEN))
    assert lines[0].startswith("Content Credentials: broken")
    assert lines[1] == "! A generator. Detail of A generator"
    assert lines[2] == "  This tells: tells this"
    assert lines[4].startswith("- An ordinary note")
    assert lines[-1].endswith("Nothing here is proof by itself.")
