"""The one gate: what each kind of viewer may do with somebody else's case, by every public way to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from databases import asked_database
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights

from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict, JobState, Right, Role, Viewer
from drishtiksha.errors import CaseGoneError, JobGoneError, JobStateError, NotAllowedError, WrongMediaKindError
from drishtiksha.forensics import Filter
from drishtiksha.services.sessions import visitor
from drishtiksha.services.workbench import OpenCase, Seen, Workbench
from drishtiksha.settings import ROOT

PORTRAIT = ROOT / "assets" / "portrait.jpg"
OWNER, STRANGER = visitor("the owner's cookie"), visitor("another cookie")
MEMBER, REVIEWER, NOBODY = Viewer(name="ben"), Viewer(name="rev", role=Role.REVIEWER), Viewer()

Act = Callable[[Any, Any], object]


@dataclass
class Known:
    """A case with a job that waits, as its owner has it."""

    case_id: str
    job_id: str


def ended(seen: Any, job_id: str) -> None:
    if seen.job(job_id).state is JobState.QUEUED:
        seen._bench.seen_by(LOCAL).cancel(job_id)
    assert seen.ended(job_id).state is JobState.CANCELLED


def no_scenes(case: Any) -> None:
    with pytest.raises(WrongMediaKindError):
        case.key_frames()


SEEN: dict[str, tuple[Right | None, Act]] = {
    "take": (None, lambda seen, _: seen.take(PORTRAIT, "own.jpg")),
    "open": (Right.READ, lambda seen, known: seen.open(known.case_id)),
    "restore": (Right.CHANGE, lambda seen, known: seen.restore(known.case_id)),
    "cases": (None, lambda seen, _: seen.cases()),
    "job": (Right.READ, lambda seen, known: seen.job(known.job_id)),
    "job_since": (Right.READ, lambda seen, known: seen.job_since(seen.job(known.job_id))),
    "watch": (Right.READ, lambda seen, known: next(seen.watch(known.job_id))),
    "unended": (Right.READ, lambda seen, known: seen.unended(seen.job(known.job_id))),
    "ended": (Right.READ, lambda seen, known: ended(seen, known.job_id)),
    "cancel": (Right.CHANGE, lambda seen, known: seen.cancel(known.job_id)),
    "retry": (Right.CHANGE, lambda seen, known: seen.retry(known.job_id)),
}
CASE: dict[str, tuple[Right | None, Act]] = {
    "may": (None, lambda case, _: case.may(Right.CHANGE)),
    "require": (Right.CHANGE, lambda case, _: case.require(Right.CHANGE)),
    "read": (Right.READ, lambda case, _: case.read()),
    "evidence": (Right.READ, lambda case, _: case.evidence()),
    "derived": (Right.READ, lambda case, _: case.derived()),
    "look": (Right.READ, lambda case, _: case.look(Filter.NOISE)),
    "apart": (Right.READ, lambda case, _: case.apart("picture", target=str(case.derived() / "p.jpg"))),
    "report": (Right.READ, lambda case, _: case.report(case.derived() / "r.json", case.read())),
    "key_frames": (Right.READ, lambda case, _: no_scenes(case)),
    "glance": (Right.READ, lambda case, _: case.glance()),
    "plan": (Right.READ, lambda case, _: case.plan(["BRIGHT"])),
    "jobs": (Right.READ, lambda case, _: case.jobs()),
    "reviews": (Right.READ, lambda case, _: case.reviews()),
    "submit": (Right.RUN, lambda case, _: case.submit(["BRIGHT"])),
    "examine": (Right.RUN, lambda case, _: case.examine()),
    "answer": (Right.READ, lambda case, _: case.answer()),
    "add_review": (Right.REVIEW, lambda case, _: case.add_review("eve", HumanVerdict.GENUINE, Confidence.LOW)),
    "add_results": (Right.RUN, lambda case, _: case.add_results([], {"BRIGHT": "It was not at hand."})),
    "read_origin": (Right.CHANGE, lambda case, _: case.read_origin()),
    "set_question": (Right.CHANGE, lambda case, _: case.set_question("Whose?")),
    "delete_soon": (Right.CHANGE, lambda case, _: case.delete_soon()),
    "delete": (Right.CHANGE, lambda case, _: case.delete()),
}
RIGHTS = {
    LOCAL: set(Right),
    OWNER: set(Right),
    REVIEWER: {Right.READ, Right.REVIEW, Right.RUN},
    STRANGER: {Right.READ},
    MEMBER: set(),
    NOBODY: set(),
}


def public(kind: type) -> set[str]:
    return {name for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """One for all tests of this file."""
    yield from asked_database(request)


@pytest.fixture(scope="module")
def idle(database_url: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """One that works on no job, for all tests of this file: each has a case of its own in it."""
    folder = tmp_path_factory.mktemp("gate")
    models = {"BRIGHT": entry(model_path=plain_weights(folder / "w.pt"), num_frames=6)}
    with pytest.MonkeyPatch.context() as patch, dropped_in(folder / "more", brightness=BRIGHTNESS):
        manager = manager_of(models, folder, patch, database_url=database_url)
        bench = Workbench(manager.settings, manager)
        yield bench
        bench.store.close()


@pytest.fixture
def known(idle: Workbench) -> Iterator[Known]:
    case = idle.seen_by(OWNER).take(PORTRAIT, "p.jpg", "Whose is it?")
    known = Known(case.case_id, case.submit(["BRIGHT"]))
    yield known
    with suppress(CaseGoneError):
        case = idle.seen_by(LOCAL).open(known.case_id)
        for job in case.jobs():  # or they would fill the queue
            if not job.state.ended:
                idle.seen_by(LOCAL).cancel(job.job_id)
        case.delete()


def test_every_public_way_is_walked_and_none_is_open_by_default():
    """A new method that nobody put into the tables above, or that takes a case without a viewer, fails here."""
    assert public(Seen) == set(SEEN)
    assert public(OpenCase) == set(CASE)
    of_no_case = {"start", "stop", "sweep", "require_room", "load_model", "unload_model", "preload"}
    assert public(Workbench) == {"seen_by"} | of_no_case, "a case is reached through `seen_by` alone"
    for kind in (Workbench, Seen, OpenCase):
        for name in public(kind):
            for parameter in inspect.signature(getattr(kind, name)).parameters.values():
                assert not isinstance(parameter.default, Viewer), f"{name} lets in whoever does not say who they are"
    assert inspect.signature(Workbench.seen_by).parameters["viewer"].default is inspect.Parameter.empty


@pytest.mark.parametrize("viewer", RIGHTS, ids=["local", "owner", "reviewer", "stranger", "member", "nobody"])
@pytest.mark.parametrize("name", [*SEEN, *CASE])
def test_what_a_viewer_may_do_with_a_case(idle: Workbench, known: Known, viewer: Viewer, name: str) -> None:
    seen = idle.seen_by(viewer)
    right, act = SEEN.get(name) or CASE[name]
    before = state_of(idle, known)

    def do() -> object:
        return act(seen if name in SEEN else seen.open(known.case_id), known)

    if name == "take":
        if viewer == NOBODY:
            with pytest.raises(NotAllowedError):
                do()
        else:
            assert seen.open(do().case_id).may(Right.CHANGE)  # type: ignore[attr-defined]
        return
    if name == "cases":
        listed = known.case_id in [case.case_id for case in do()]  # type: ignore[attr-defined]
        assert listed is (viewer in (LOCAL, OWNER, REVIEWER)), "a link opens a case; it lists none"
        return
    if Right.READ not in RIGHTS[viewer]:
        with pytest.raises((CaseGoneError, JobGoneError)):
            do()
    elif right is not None and right not in RIGHTS[viewer]:
        with pytest.raises(NotAllowedError, match="Only "):
            do()
    elif name == "retry":
        with pytest.raises(JobStateError):  # allowed, but the job waits
            do()
    else:
        do()
        return
    assert state_of(idle, known) == before, "a refusal changes nothing"


def state_of(bench: Workbench, known: Known) -> object:
    case = bench.seen_by(LOCAL).open(known.case_id)
    return case.read(), case.reviews(), [(job.job_id, job.state) for job in case.jobs()], case.evidence().path.exists()


def test_a_case_tells_nothing_of_the_session_that_owns_it(idle: Workbench, known: Known) -> None:
    case = idle.seen_by(STRANGER).open(known.case_id).read()
    assert case.owner == ""
    assert OWNER.session not in case.model_dump_json()
    assert idle.seen_by(LOCAL).job(known.job_id).state is JobState.QUEUED
