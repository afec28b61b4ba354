from __future__ import annotations

from types import SimpleNamespace

from drishtiksha.ui import links

JOB = "0" * 32


def test_a_running_job_may_be_left_and_an_ended_one_shown_again() -> None:
    assert f'href="?job={JOB}"' in links.markup(JOB)
    assert "the work goes on" in links.markup(JOB)
    assert "This link</a> shows this again" in links.markup(JOB, ended=True)
    assert "data-job" not in links.markup("")
    assert links.markup(""), (
        "an element that says nothing takes the job out of the URL; an empty one would not be told of"
    )


def test_the_job_of_a_page_is_read_from_its_url() -> None:
    assert links.job_of(SimpleNamespace(query_params={"job": JOB})) == JOB
    assert links.job_of(SimpleNamespace(query_params={})) == ""
    assert links.job_of(None) == ""
