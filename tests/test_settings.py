"""Settings: YAML, then .env, then the environment; misspelt names are refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml

from drishtiksha.errors import ConfigError
from drishtiksha.settings import HOME, INSTALLED, ROOT, configure_logging, load_settings, read_yaml


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("device: cpu\nretention_hours: 5\nlimits: {max_bytes: 1000}\n")
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def test_environment_wins_over_env_file_over_yaml(config, tmp_path, monkeypatch):
    assert load_settings().retention_hours == 5
    (tmp_path / ".env").write_text("DRISHTIKSHA_RETENTION_HOURS=6\nDRISHTIKSHA_DEVICE=cuda\nUNRELATED=1\n")
    assert load_settings().retention_hours == 6
    monkeypatch.setenv("DRISHTIKSHA_RETENTION_HOURS", "7")
    settings = load_settings()
    assert (settings.retention_hours, settings.device) == (7, "cuda")


def test_one_nested_limit_is_overridden_and_the_others_stay(config, monkeypatch):
    monkeypatch.setenv("DRISHTIKSHA_LIMITS__MAX_DURATION_S", "60")
    limits = load_settings().limits
    assert (limits.max_duration_s, limits.max_bytes) == (60, 1000)


def test_a_misspelt_setting_is_refused(config):
    config.write_text("retention_hour: 5\n")
    with pytest.raises(ConfigError, match="retention_hour"):
        load_settings()


@pytest.mark.parametrize("text", ["retention_hours: -1\n", "limits: {max_byte: 3}\n", "a: [\n", "- list\n"])
def test_what_cannot_be_used_is_a_config_error(config, text):
    config.write_text(text)
    with pytest.raises(ConfigError):
        load_settings()


def test_what_is_no_yaml_is_shown_with_its_line(config):
    config.write_text("device: cpu\nactive_models: [A, B\nretention_hours: 5\n")
    with pytest.raises(ConfigError, match=r"(?s)config.yaml is not valid YAML: .*line 2") as raised:
        load_settings()
    assert "retention_hours: 5\n" in str(raised.value), "the line itself, which libyaml leaves out"


def test_the_configuration_is_parsed_once_and_fast(monkeypatch):
    parsed: list[type] = []
    load = yaml.load
    monkeypatch.setattr(yaml, "load", lambda text, loader: parsed.append(loader) or load(text, loader))
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(ROOT / "configs" / "config.yaml"))
    assert load_settings().models
    assert parsed == [yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader]


def test_both_loaders_of_yaml_read_the_same_from_the_shipped_files():
    for path in (ROOT / "configs").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert read_yaml(text) == yaml.safe_load(text), path.name


def test_an_absent_file_is_a_config_error(monkeypatch, tmp_path):
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(tmp_path / "absent.yaml"))
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings()


@pytest.mark.parametrize("name", ["LIMITS", "MODELS"])
def test_what_is_no_json_in_the_environment_is_a_config_error(config, monkeypatch, name):
    monkeypatch.setenv(f"DRISHTIKSHA_{name}", "abc")
    with pytest.raises(ConfigError, match=name.lower()):
        load_settings()


def test_checkpoints_are_found_from_the_models_folder_the_root_or_as_given(config, tmp_path):
    settings = load_settings(models_dir=tmp_path / "mine")
    assert settings.checkpoint(Path("models/x.pt")) == tmp_path / "mine" / "x.pt"
    assert settings.checkpoint(Path("elsewhere/x.pt")) == ROOT / "elsewhere/x.pt"
    assert settings.checkpoint(tmp_path / "x.pt") == tmp_path / "x.pt"
    assert settings.checkpoint(Path()) == ROOT


def test_in_a_checkout_everything_lies_in_the_repository():
    assert not INSTALLED
    assert ROOT == HOME == Path(__file__).parents[1]
    assert load_settings().data_root == ROOT / "data"


def test_the_log_is_written_from_the_level_that_is_set(config, monkeypatch, capsys):
    log = logging.getLogger("drishtiksha.part")
    monkeypatch.setattr(logging.getLogger("drishtiksha"), "handlers", [])
    for level, heard in {"info": ["told"], "warning": []}.items():
        monkeypatch.setenv("DRISHTIKSHA_LOG_LEVEL", level)
        configure_logging(load_settings())
        log.info("told")
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(": ")[1] for line in lines] == heard, "once, however often it is configured"
        assert all("INFO drishtiksha.part" in line for line in lines)
    monkeypatch.setenv("DRISHTIKSHA_LOG_LEVEL", "loud")
    with pytest.raises(ConfigError, match="log_level"):
        load_settings()


def test_nothing_is_said_twice_in_the_shipped_configuration():
    """YAML takes the later one without a word: of a model's two licences, say."""
    twice: list[str] = []

    class Reader(yaml.SafeLoader):
        pass

    def read(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict:
        keys = [key.value for key, _ in node.value]
        twice.extend(f"{key}, line {node.start_mark.line + 1}" for key in keys if keys.count(key) > 1)
        return loader.construct_mapping(node, deep=True)

    Reader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, read)
    yaml.load((ROOT / "configs" / "config.yaml").read_text(encoding="utf-8"), Reader)
    assert not twice
