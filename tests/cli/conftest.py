"""What the commands are tested with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights


@pytest.fixture
def model(tmp_path, monkeypatch) -> Iterator[None]:
    """BRIGHT, which calls bright pictures fake, alone in the configuration."""
    with dropped_in(tmp_path / "extra", brightness=BRIGHTNESS):
        thresholds = {"real": 0.3, "fake": 0.7}
        models = {"BRIGHT": entry(model_path=plain_weights(tmp_path / "bright.pt"), thresholds=thresholds)}
        manager_of(models, tmp_path, monkeypatch)
        yield
