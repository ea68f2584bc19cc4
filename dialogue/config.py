"""Which parts make up an assistant: the only file that knows every implementation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from dialogue.assistant import Assistant
from dialogue.errors import ConfigurationError
from dialogue.grammar.grammar import Grammar
from dialogue.grammar.proposals import Proposer
from dialogue.home import SimulatedHome, load_home
from dialogue.interfaces import Clock, Executor
from dialogue.policy import RulePolicy
from dialogue.responses import Responses, load_responses
from dialogue.scheduler import SystemClock
from dialogue.shipped import shipped_grammars
from dialogue.splitter import GrammarSplitter


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a configuration file or the command line can say. Paths are as given; None means the shipped part.

    ``action_endpoint`` is the address of a rasa-sdk action server; ``repeatable_actions`` names those of its
    actions that have their effect once even if they are asked twice with the same key ("*": all). ``store`` is the
    path of the journal, ``keep_days`` how long it remembers what is over (None: for ever).
    """

    language: str = "en"
    home: Path | None = None
    grammars: tuple[Path, ...] = ()
    model: Path | None = None
    store: str = ":memory:"
    action_endpoint: str | None = None
    repeatable_actions: tuple[str, ...] = ()
    keep_days: float | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one assistant that doors also use by themselves."""

    configuration: Configuration
    home: SimulatedHome
    grammar: Grammar
    responses: Responses
    splitter: GrammarSplitter = field(repr=False)


def load_parts(configuration: Configuration) -> Parts:
    """Read home, grammar and responses."""
    home = load_home(configuration.home or shipped_grammars() / "home.yaml")
    grammar = Grammar.load(configuration.language, configuration.grammars, home=home)
    responses = _responses(grammar.language)
    splitter = GrammarSplitter(grammar, _reader(grammar, configuration.grammars))
    return Parts(configuration, home, grammar, responses, splitter)


def _reader(grammar: Grammar, folders: tuple[Path, ...]) -> Proposer | None:
    """The learned reader of the examples in one's own grammar folders; the shipped grammar has none."""
    if not folders:
        return None
    from dialogue.learned.reader import LearnedReader

    return LearnedReader.load(grammar, folders)


def load_splitter(configuration: Configuration) -> GrammarSplitter:
    """Only what understanding takes: a language can be understood before it can be answered in."""
    grammar = load_grammar(configuration)
    return GrammarSplitter(grammar, _reader(grammar, configuration.grammars))


def load_grammar(configuration: Configuration) -> Grammar:
    """The grammar with the home's names, without what is learned."""
    home = load_home(configuration.home or shipped_grammars() / "home.yaml")
    return Grammar.load(configuration.language, configuration.grammars, home=home)


def _responses(language: str) -> Responses:
    path = shipped_grammars() / language / "responses.yaml"
    if not path.is_file():
        raise ConfigurationError(
            f"{path}: there are no answers in language {language!r} yet; write this file after the English one "
            f"beside it ('onebreath parse --language {language}' understands without it)"
        )
    return load_responses(path)


def with_fresh_home(parts: Parts) -> Parts:
    """The same parts around a home that stands as its file says: for one conversation after another."""
    path = parts.configuration.home or shipped_grammars() / "home.yaml"
    return replace(parts, home=load_home(path))


def make_assistant(
    configuration: Configuration, *, clock: Clock | None = None, parts: Parts | None = None
) -> Assistant:
    """An assistant with the parts that the configuration names."""
    from dialogue.tracker_store import SqliteTrackerStore

    parts = parts or load_parts(configuration)
    store = SqliteTrackerStore(configuration.store)
    parts.home.replay(store.effects())
    return Assistant(
        splitter=parts.splitter,
        policy=RulePolicy(parts.home, parts.responses.say, parts.grammar.words),
        executor=_executor(configuration, parts),
        store=store,
        home=parts.home,
        voice=parts.responses,
        clock=clock or SystemClock(),
        keep=None if configuration.keep_days is None else timedelta(days=configuration.keep_days),
    )


def _executor(configuration: Configuration, parts: Parts) -> Executor:
    from dialogue.executor import HttpExecutor, InProcessExecutor

    if configuration.action_endpoint:
        known = configuration.repeatable_actions
        return HttpExecutor(configuration.action_endpoint, parts.responses, home=parts.home, repeatable=known)
    return InProcessExecutor(parts.home, parts.responses)


def read_configuration(path: Path | None, overrides: Mapping[str, Any]) -> Configuration:
    """The configuration file (if any) with command-line values over it."""
    values: dict[str, Any] = _file_values(path) if path is not None else {}
    values.update({name: value for name, value in overrides.items() if value is not None})
    known = set(Configuration.__dataclass_fields__)
    values = {name: value for name, value in values.items() if value is not None}
    unknown = sorted(str(name) for name in values.keys() - known)
    if unknown:
        raise ConfigurationError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    for name, value in values.items():
        if name not in ("grammars", "repeatable_actions", "keep_days"):
            _need_text(path, name, value)
    days = values.get("keep_days", 1)
    if isinstance(days, bool) or not isinstance(days, int | float) or not days > 0:
        raise ConfigurationError(
            f"{path}: keep_days: {days!r} is no number of days; write, for example, 'keep_days: 30'"
        )
    values["repeatable_actions"] = _names(path, values.get("repeatable_actions") or ())
    for name in ("home", "model"):
        if name in values:
            values[name] = Path(values[name])
    grammars: Any = values.get("grammars") or ()
    folders = [grammars] if isinstance(grammars, str | Path) else grammars
    if not isinstance(folders, list | tuple):
        raise ConfigurationError(f"{path}: grammars: name folders, for example 'grammars: [my_sentences]'")
    for folder in folders:
        _need_text(path, "grammars", folder)
    values["grammars"] = tuple(Path(folder) for folder in folders)
    return Configuration(**values)


def _names(path: Path | None, found: object) -> tuple[str, ...]:
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        raise ConfigurationError(f"{path}: repeatable_actions: name actions, for example '[action_lock_up]'")
    return tuple(names)


def _need_text(path: Path | None, name: str, value: object) -> None:
    if not isinstance(value, str | Path):
        raise ConfigurationError(
            f"{path}: {name}: {value!r} is not text; write, for example, '{name}: \"{value}\"'"
        )


def _file_values(path: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8: {error}; save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not YAML: {error.problem}; mend this line") from error
    except (yaml.YAMLError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: not YAML: {told}; mend the file") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path}: a configuration is a mapping such as 'home: my_home.yaml'")
    return data
