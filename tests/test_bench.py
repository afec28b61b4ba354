"""What `make bench` reports: the work it counts, and what it leaves in bench/RESULTS.md."""

from __future__ import annotations

import torch
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import striped, write_video

from bench.__main__ import KEPT, RESULTS, kept
from bench.measure import timed
from bench.shelf import COLUMNS, recorded, row


def test_the_bare_network_does_the_work_of_the_analysis_again_and_nothing_else(tmp_path, monkeypatch):
    clip = write_video(tmp_path / "a.mp4", [striped(90)] * 12)
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        models = {"T": entry(model_path=plain_weights(tmp_path / "w.pt"), num_frames=8, batch_size=4)}
        detector = manager_of(models, tmp_path, monkeypatch).load_model("T")
        seen: list[int] = []
        forward = detector.network.forward
        monkeypatch.setattr(detector.network, "forward", lambda batch: seen.append(len(batch)) or forward(batch))
        with recorded(detector) as again:
            detector.analyze(clip, explain=False)
        first, _ = list(seen), seen.clear()
        again()
        assert sum(first) == 8
        assert seen == first
        detector.judge(torch.zeros(1, 3, 8, 8))
        seen.clear()
        again()
        assert seen == first, "what comes after the block is not kept"


def test_processor_seconds_are_those_of_this_process():
    given, wall, cpu = timed(lambda: sum(range(100_000)))
    assert given == 4999950000
    assert 0 < cpu < wall + 0.5


def test_a_call_that_was_not_repeated_has_no_warm_figures():
    stages = {"decode": 1.0, "faces": 2.0, "preprocess": 0.1, "forward": 27.0}
    found = {
        "cold": 33.0,
        "cold_cpu": 60.0,
        "bare": 27.0,
        "bare_cpu": 50.0,
        "samples": 8,
        "faces_judged": 11,
        "threads": 2,
    }
    cells = (
        row("X", found | stages | {"load": 1, "read_copy": 1, "peak_mib": 5, "process_mib": 9}).strip("| ").split(" | ")
    )
    told = dict(zip(COLUMNS, cells, strict=True))
    assert (told["cold: wall, CPU"], told["warm: wall, CPU"]) == ("33.00, 60.00 s", "not repeated")
    assert told["samples, faces judged"] == "8, 11"
    assert told["wall / (decode + faces + forward)"] == "1.10"
    assert told["forward / bare network"] == "1.00"


def test_what_other_commands_measured_stays():
    results = RESULTS.read_text(encoding="utf-8")
    after = kept(results)
    assert after.startswith(KEPT)
    assert results.endswith(after)
    assert kept("# New\n\n" + after) == after
    for title in ("Beside the reference server", "Damaged files", "Many people at once"):
        assert f"## {title}" in after
    assert "reference" not in results[: -len(after)].replace("The reference detectors", ""), (
        "no seconds of it elsewhere"
    )
