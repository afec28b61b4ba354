"""What all tests share: a quiet, offline machine and the way to the shared material."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before any library reads them.
for _name, _value in {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "DRISHTIKSHA_WORKERS": "threads",  # detectors that a test plants are in its process alone
}.items():
    os.environ.setdefault(_name, _value)

import pytest  # noqa: E402
from browsers import ARGUMENTS, CHROMIUM  # noqa: E402
from databases import asked_database, postgresql_server  # noqa: E402

from drishtiksha.settings import MediaLimits  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several processes share the tests, a file stays with one of them, and all that drive a browser with the same:
    two browsers at a time starve each other. (The groups of xdist 3.8 set `_nodeid`, which pytest 9.2 no longer reads.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "browser" if file.startswith("tests/browser/") or file.endswith("/test_report_page.py") else file

    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The markers that follow from what a test asks for: a browser, a PostgreSQL server, time."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if "browser" in fixtures or item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
        if "postgresql" in fixtures or parameters.get("database_url") == "postgresql":
            item.add_marker(pytest.mark.postgres)
        if item.get_closest_marker("large"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One for all tests: Playwright cannot be started twice in a process."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it (apt-get install chromium) or set DRISHTIKSHA_CHROMIUM to one")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared material (clips, portraits, golden files); tests that need it are skipped where it is absent."""
    places = [REPOSITORY.parent / "shared", Path("/work/shared")]
    if stated := os.environ.get("DRISHTIKSHA_SHARED"):
        places.insert(0, Path(stated))
    for place in places:
        if (place / "data").is_dir():
            return place
    pytest.skip(
        f"no shared material: looked for data/ in {', '.join(map(str, places))}; set DRISHTIKSHA_SHARED to its folder"
    )


@pytest.fixture(scope="session")
def clip_360p(shared: Path) -> Path:
    """640 x 360, 29.97 frames/s, 10 s, with sound: people on a stage. The picture starts 0.85 s after the sound."""
    return _present(shared / "data/clips/stage_360p.mp4")


@pytest.fixture(scope="session")
def clip_1080p(shared: Path) -> Path:
    """1920 x 1080, 25 frames/s, 4.2 s, with sound: faces in a street."""
    return _present(shared / "data/clips/street_faces_1080p.mp4")


@pytest.fixture(scope="session")
def limits() -> MediaLimits:
    return MediaLimits()


@pytest.fixture
def quick_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of evaluations have no pictures and intervals of 20 draws: most of their cost, for tests of something else."""
    from drishtiksha.evaluation import command, plots

    monkeypatch.setattr(command, "DRAWS", 20)
    monkeypatch.setattr(plots, "draw_all", lambda *_: ())


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server for tests; tests that need it are skipped where there is none."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """An empty database for each test."""
    yield from asked_database(request)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks as S3 does; tests that need it are skipped where it is not installed."""
    pytest.importorskip("s3fs", reason="needs the extra [s3]")
    moto = pytest.importorskip("moto.server", reason="needs moto and flask")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket, `s3://NAME`; processes that a test starts find it, too."""
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "for-tests",
        "AWS_SECRET_ACCESS_KEY": "for-tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"tests-{secrets.token_hex(8)}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}"


def _present(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"{path} is absent from the shared material")
    return path
