from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from drishtiksha.ui.shared import links

JOB = "0" * 32


def test_a_running_job_may_be_left_and_an_ended_one_shown_again() -> None:
    assert f'href="?job={JOB}"' in links.job(JOB)
    assert "the work goes on" in links.job(JOB)
    assert "This link</a> shows this again" in links.job(JOB, ended=True)


@pytest.mark.parametrize(("param", "link"), [("job", links.job), ("compare", links.comparison)])
def test_an_element_puts_its_link_into_the_address_or_takes_it_out(param: str, link: Callable[[str], str]) -> None:
    assert f'data-param="{param}" data-value="{JOB}"' in link(JOB)
    assert "Copy the link" in link(JOB)
    assert f'data-param="{param}" data-value=""' in link("")
    assert "Copy" not in link("")


def test_the_job_of_a_page_is_read_from_its_url() -> None:
    assert links.job_of(SimpleNamespace(query_params={"job": JOB})) == JOB
    assert links.job_of(SimpleNamespace(query_params={})) == ""
    assert links.job_of(None) == ""
