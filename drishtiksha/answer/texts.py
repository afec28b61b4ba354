"""The catalogue of every sentence of an answer: one file a language, sentences by key."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from drishtiksha.errors import ConfigError
from drishtiksha.results import Grade
from drishtiksha.settings import read_yaml

FOLDER = Path(__file__).parent / "texts"
ENGLISH = "en"


class Texts:
    """Sentences of one language by key, with values put in by name."""

    def __init__(self, language: str, sentences: dict[str, str]) -> None:
        self.language, self._sentences = language, sentences

    @classmethod
    def of(cls, language: str = ENGLISH) -> Texts:
        """Raises: ConfigError for a language that there is no file of."""
        return _read(FOLDER / f"{language}.yaml")

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of this key. Raises: KeyError for a key that the catalogue lacks, or a value that a sentence needs."""
        return self._sentences[key].format(**values)

    def find(self, key: str, otherwise: str) -> str:
        """The sentence of this key where the catalogue has one."""
        return self._sentences.get(key, otherwise)

    def counted(self, key: str, count: int, **values: object) -> str:
        """`key.one` or `key.many`, with `count` among the values."""
        return self(f"{key}.{'one' if count == 1 else 'many'}", count=count, **values)

    def listed(self, parts: list[str] | tuple[str, ...]) -> str:
        """ "a", "a and b", "a, b and c"."""
        if len(parts) < 2:
            return "".join(parts)
        return self("list.last", first=", ".join(parts[:-1]), last=parts[-1])

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._sentences)


class GradeStep(NamedTuple):
    """One of the three grades of signs, and what it means."""

    grade: Grade
    title: str
    meaning: str


def grade_scale(language: str = ENGLISH) -> tuple[GradeStep, ...]:
    """The scale that the grade of an answer is read on, weak first."""
    told = Texts.of(language)
    names = ((Grade.WEAK, "weak"), (Grade.MODERATE, "moderate"), (Grade.STRONG, "strong"))
    return tuple(GradeStep(grade, told(f"grade.{name}"), told(f"grade.{name}.meaning")) for grade, name in names)


@cache
def _read(path: Path) -> Texts:
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in FOLDER.glob("*.yaml")))
        raise ConfigError(f"There is no catalogue of sentences in {path.stem!r}. There are: {known}.")
    return Texts(path.stem, dict(_flat(read_yaml(path.read_text(encoding="utf-8")))))


def _flat(tree: dict[str, object], above: str = "") -> list[tuple[str, str]]:
    """{"a": {"b": "text"}} -> [("a.b", "text")]; the key "_" stands for the name above it."""
    pairs: list[tuple[str, str]] = []
    for name, value in tree.items():
        key = above if name == "_" else f"{above}.{name}".lstrip(".")
        pairs += _flat(value, key) if isinstance(value, dict) else [(key, str(value).strip())]
    return pairs
