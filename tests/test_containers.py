"""Dockerfile and compose.yaml by the rules of a linter, since no container can be built where the tests run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """Instruction and argument of each line of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines()]
    return [
        (word, rest) for word, _, rest in (line.partition(" ") for line in lines if line and not line.startswith("#"))
    ]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_the_base_is_pinned_to_a_python_that_the_package_allows() -> None:
    (base,) = of("FROM")
    name, _, tag = base.partition(":")
    assert (name, tag) == ("python", "3.12-slim-bookworm")


def test_it_does_not_run_as_root_and_the_program_belongs_to_root() -> None:
    names = [name for name, _ in instructions()]
    assert of("USER") == ["desk"]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))
    assert "--chown=root:root . ." in of("COPY")


def test_dependencies_are_installed_before_the_code_so_that_their_layer_is_kept() -> None:
    names = [(name, rest) for name, rest in instructions()]
    requirements = names.index(("COPY", "requirements.txt constraints.txt ./"))
    install = next(i for i, (name, rest) in enumerate(names) if name == "RUN" and "pip install" in rest)
    code = names.index(("COPY", "--chown=root:root . ."))
    assert requirements < install < code
    assert "--constraint constraints.txt" in names[install][1]


def test_the_database_driver_is_the_one_of_the_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    install = next(rest for rest in of("RUN") if "pip install" in rest)
    assert all(f'"{requirement}"' in install for requirement in extras["postgres"])


def test_torch_comes_for_the_cpu_unless_a_build_argument_says_otherwise() -> None:
    (argument,) = of("ARG")
    assert argument == "TORCH_INDEX=https://download.pytorch.org/whl/cpu"
    assert any('--extra-index-url "${TORCH_INDEX}"' in rest for rest in of("RUN"))


def test_what_is_written_lies_in_the_volume() -> None:
    (volume,) = of("VOLUME")
    paths = re.findall(r"(?:DATA_DIR|MODELS_DIR|TEMP_DIR)=(\S+)", " ".join(of("ENV")))
    assert len(paths) == 3
    assert all(path.startswith(f"{volume}/") for path in paths)


def test_health_is_checked_at_the_port_that_is_served() -> None:
    (check,), (port,), (start,), (entry,) = of("HEALTHCHECK"), of("EXPOSE"), of("CMD"), of("ENTRYPOINT")
    assert f"http://127.0.0.1:{port}/healthz" in check
    assert f'"--port", "{port}"' in start
    assert '"0.0.0.0"' in start
    assert entry == '["python", "-m", "drishtiksha"]', "as a list, so that signals reach the server"


def test_shell_lines_stop_at_the_first_failure() -> None:
    for line in of("RUN"):
        assert ";" not in line, line
        assert "|" not in line, line
        assert "sudo" not in line, line
        assert " apt-get " not in line or "--no-install-recommends" in line, line


def test_secrets_evidence_and_tests_stay_out_of_the_image() -> None:
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", "data", "runs", "tests"} <= set(left_out)
    for needed in (
        "drishtiksha",
        "configs",
        "models",
        "assets",
        "app.py",
        "requirements.txt",
        "constraints.txt",
        "NOTICE",
    ):
        assert needed not in left_out
        assert (ROOT / needed).exists()


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_compose_gives_no_password_away_and_waits_for_the_database(services) -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert re.findall(r"\$\{POSTGRES_PASSWORD(:\?[^}]+)?\}", text) == [":?set it in .env"] * 2
    assert services["desk"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["desk"]["environment"]["DRISHTIKSHA_DATABASE_URL"].startswith("postgresql+psycopg://")


def test_compose_opens_the_desk_to_this_machine_alone_and_the_database_to_nobody(services) -> None:
    assert services["desk"]["ports"] == ["127.0.0.1:7860:7860"]
    assert services["desk"]["environment"]["DRISHTIKSHA_LOGIN"] == "true"
    assert "ports" not in services["database"]


def test_compose_leaves_the_program_unwritable_and_keeps_both_volumes(services) -> None:
    desk = services["desk"]
    assert desk["read_only"] is True
    assert desk["security_opt"] == ["no-new-privileges:true"]
    assert desk["volumes"] == ["desk:/data"]
    assert set(yaml.safe_load((ROOT / "compose.yaml").read_text())["volumes"]) == {"desk", "database"}
    assert re.fullmatch(r"postgres:\d+-\w+", str(services["database"]["image"])), (
        "a major version and a release of Debian"
    )
