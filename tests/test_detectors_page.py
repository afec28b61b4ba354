"""docs/DETECTORS.md is what the configuration and the golden files say."""

from __future__ import annotations

import json

import golden
import pytest

from bench import detectors as made
from drishtiksha.settings import ROOT


def test_the_page_is_up_to_date():
    facts = json.loads(made.FACTS.read_text(encoding="utf-8"))
    wanted = made.page(made.configured(), facts)
    assert made.PAGE.read_text(encoding="utf-8") == wanted, "run: python -m bench.detectors"


def test_sizes_and_seconds_are_those_of_the_golden_files():
    golden.load("NPR")
    measured = made.facts_of(golden.GOLDEN)
    names = {config.model_name for config in made.configured()}
    assert json.loads(made.FACTS.read_text(encoding="utf-8")) == {n: own for n, own in measured.items() if n in names}


def test_every_detector_has_one_row_and_says_where_its_figures_are_from():
    lines = made.PAGE.read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].split()[0]: line for line in lines if line.startswith("| ") and "| detector" not in line}
    configs = {config.model_name: config for config in made.configured() if not config.retired}
    assert set(rows) == set(configs)
    for name, config in configs.items():
        assert " ".join(config.measured.split()) in rows[name]
        assert config.weights.licence in rows[name]


@pytest.mark.parametrize(
    ("paper", "year"),
    [("Park & Owens, CVPR 2025, arXiv:2411.04125", "2025"), ("none (arXiv:1812.08247)", "2018"), ("", "-")],
)
def test_the_year_of_a_paper(paper, year):
    assert made._year(paper) == year


def test_the_page_is_linked():
    assert "DETECTORS.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_evaluate_takes_the_recommended_ones():
    from drishtiksha.cli.console import with_the_recommended
    from drishtiksha.registry import ModelManager
    from drishtiksha.settings import load_settings

    names = with_the_recommended(["B-FREE", "recommended", "GEND-CLIP-L14"], ModelManager(load_settings()))
    assert names[0] == "B-FREE"
    assert {"COMMUNITY-FORENSICS-384", "GEND-CLIP-L14"} <= set(names)
    assert len(names) == len(set(names))
