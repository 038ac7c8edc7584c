"""Parse YAML strictly: no type that YAML 1.1 guesses (16:9 is no number, no is no boolean), no key twice, no aliases,
whose expansion has no bound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from seedance.problems import shorten

MAX_YAML_CHARS: Final = 16 * 2**20
_MAX_DEPTH = 32
_OPENING = (
    *(yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken),
    *(yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken),
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc] # the C loader has no type of its own
    """The types of JSON, and nothing else."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - the name and the form are PyYAML's


for _tag, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
    ("null", r"null|Null|NULL|~|", "nN~\0"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), [*_first.replace("\0", "")]
    )
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])


def _mapping(loader: Any, node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None or key_node.tag == "tag:yaml.org,2002:merge":
            raise _problem(key_node, "a key must be text")
        if key in found:
            raise _problem(key_node, f"the key {shorten(key)} occurs twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _decimal(loader: Any, node: Any) -> int:
    if len(node.value) > 20:
        raise _problem(node, "a number has too many digits")
    return int(node.value)


def _problem(node: Any, message: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)


def parse_yaml(text: str) -> Any:
    """One document as plain values.

    Raises:
        ValueError: it is not YAML of that kind; the text says why.
    """
    return next((value for _, value in _nodes(text, lambda node: [node])), None)


def parse_yaml_items(text: str, key: str) -> Iterator[tuple[int, Any]]:
    """The items of a list, or of the list under `key`, each with its line.

    Raises:
        ValueError: as `parse_yaml`, or it is no such list.
    """

    def items(root: Any) -> list[Any]:
        if isinstance(root, yaml.MappingNode):
            named = [value for name, value in root.value if getattr(name, "value", None) == key]
            root = named[0] if len(named) == 1 and len(root.value) == 1 else root
        if not isinstance(root, yaml.SequenceNode):
            raise _problem(root, f"must be a list of jobs, or a list under `{key}:`")
        return list(root.value)

    yield from _nodes(text, items)


def _nodes(text: str, choose: Any) -> Iterator[tuple[int, Any]]:
    if len(text) > MAX_YAML_CHARS:
        raise ValueError(f"is longer than {MAX_YAML_CHARS // 2**20} Mi characters; use JSONL")
    try:
        _check_tokens(text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return
            for node in choose(root):
                yield node.start_mark.line + 1, loader.construct_object(node, deep=True)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as exc:
        line = f"line {exc.problem_mark.line + 1}: " if exc.problem_mark is not None else ""
        raise ValueError(f"{line}{_words(exc)}") from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise ValueError(f"is not YAML: {str(exc).splitlines()[0] if str(exc) else 'it cannot be read'}") from exc


def _words(exc: yaml.MarkedYAMLError) -> str:
    said = str(exc.problem)
    if isinstance(exc, yaml.constructor.ConstructorError):
        return f"{said} ({shorten(said)} is not allowed)" if said.startswith("could not determine") else said
    return f"is not YAML: {said}"


def _check_tokens(text: str) -> None:
    depth = 0
    for token in yaml.scan(text, Loader=_BASE):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
            raise _problem(token, "anchors and aliases (&x, *x) are not read; write the values out, or use quotes")
        if isinstance(token, _OPENING):
            depth += 1
        elif isinstance(token, _CLOSING):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise _problem(token, f"is nested more than {_MAX_DEPTH} deep")
