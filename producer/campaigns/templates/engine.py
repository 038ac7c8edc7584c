"""Texts with placeholders, in a part of Jinja2 that always ends.

A template may come from a stranger's file, and is rendered for every row. Jinja's sandbox guards Python, but not
time and memory: a loop in a loop, or `'x' * 10 ** 10`, would never end. So a template may only contain the parts listed
here. None of them repeats anything, and the length of the result is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from producer.campaigns.reading.table import MAX_CELL_CHARS
from seedance.problems import shorten

MAX_SOURCE_CHARS: Final = 32_768
ROW: Final = "row"
"""The name of the row itself, for columns whose names are no identifiers: `row["Selling point"]`."""
_FILTERS: Final = frozenset(
    [
        *("abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last", "length", "lower"),
        *("replace", "round", "string", "title", "trim", "truncate", "upper", "wordcount"),
    ]
)
_METHODS: Final = frozenset(
    ["capitalize", "endswith", "get", "lower", "lstrip", "rstrip", "split", "startswith", "strip", "title", "upper"]
)
_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr, nodes.Name, nodes.Const),
    *(nodes.List, nodes.Tuple, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Call, nodes.Keyword, nodes.Filter),
    *(nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_NUMBERS_ONLY = frozenset({"*", "%", "/", "//"})
_LOOP = "a template cannot loop; list values under `matrix`, or join a list with the filter `join`"
_REFUSED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.For: _LOOP,
    nodes.Macro: _LOOP,
    nodes.CallBlock: _LOOP,
    nodes.Assign: "a template cannot use {% set %}",
    nodes.AssignBlock: "a template cannot use {% set %}",
    nodes.Include: "a template cannot include other files",
    nodes.Import: "a template cannot include other files",
    nodes.FromImport: "a template cannot include other files",
    nodes.Extends: "a template cannot include other files",
    nodes.Pow: "a template cannot use **",
}


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which `*` and `%` are for numbers: they would make texts of any length."""

    intercepted_binops = _NUMBERS_ONLY

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        for side in (left, right):
            if not isinstance(side, int | float):
                raise TypeError(f"{operator} is for numbers, not for {shorten(side, 40)}; try the filter int")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`row.name` is the column, never a method of Python's dictionary."""
        if isinstance(obj, dict) and attribute != "get":
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


def _replace(text: object, old: str, new: str) -> str:
    result = str(text)
    if result.count(old) * max(len(new) - len(old), 0) + len(result) > MAX_CELL_CHARS:
        raise ValueError(f"makes more than {MAX_CELL_CHARS:,} characters")
    return result.replace(old, new)


_ENVIRONMENT = _Environment(undefined=StrictUndefined, autoescape=False, finalize=lambda it: "" if it is None else it)
_ENVIRONMENT.filters["replace"] = _replace


class Text:
    """A text of a template, ready to be filled. `names`: what it takes from the row; `required`: what a row must have,
    which leaves out names with a `default` and those tested by `is defined`."""

    def __init__(self, source: str) -> None:
        """Compile a text.

        Raises:
            ValueError: it is no template, or one that is not allowed; the text says why.
        """
        if len(source) > MAX_SOURCE_CHARS:
            raise ValueError(f"is longer than {MAX_SOURCE_CHARS:,} characters")
        try:
            tree = _ENVIRONMENT.parse(source)
            _check(tree)
            self.names = frozenset(meta.find_undeclared_variables(tree)) - {ROW} | set(_columns_in(tree))
            self.required = self.names - set(_optional(tree))
            self._template = _ENVIRONMENT.from_string(source)
        except TemplateSyntaxError as exc:
            raise ValueError(f"is no template: {exc.message}") from exc
        except RecursionError as exc:
            raise ValueError("is nested too deeply") from exc

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with the values in it.

        Raises:
            ValueError: a name is missing, or the text cannot be made; the text says why.
        """
        try:
            made = self._template.render(values)
        except UndefinedError as exc:
            raise ValueError(self._missing(values, str(exc))) from exc
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as exc:
            raise ValueError(f"cannot be filled: {exc}") from exc
        if len(made) > MAX_CELL_CHARS:
            raise ValueError(f"makes more than {MAX_CELL_CHARS:,} characters")
        return made

    def _missing(self, values: Mapping[str, Any], said: str) -> str:
        missing = sorted(name for name in self.names if name not in values and name not in values.get(ROW, ()))
        quoted = re.search(r"has no (?:attribute|element) '?([^']*)'?", said)
        name = missing[0] if missing else quoted[1] if quoted else ""
        columns = [column for column in values.get(ROW, ()) if column]
        listed = f"{', '.join(columns[:12])}{' …' if len(columns) > 12 else ''}" or "none"
        return f"there is no column {name!r}; the columns are {listed}"


def is_template(text: str) -> bool:
    """Whether a text contains anything to fill."""
    return "{{" in text or "{%" in text or "{#" in text


def _columns_in(tree: nodes.Template) -> Iterator[str]:
    """The columns that are taken as `row["name"]`, `row.name` or `row.get("name")`."""
    for node in tree.find_all((nodes.Getitem, nodes.Getattr, nodes.Call)):
        match node:
            case nodes.Getitem(node=nodes.Name(name="row"), arg=nodes.Const(value=name)):
                yield str(name)
            case nodes.Call(node=nodes.Getattr(node=nodes.Name(name="row"), attr="get"), args=[nodes.Const(), *_]):
                yield str(node.args[0].as_const())
            case nodes.Getattr(node=nodes.Name(name="row"), attr=name) if name != "get":
                yield name


def _optional(tree: nodes.Template) -> Iterator[str]:
    for node in tree.find_all((nodes.Filter, nodes.Test, nodes.Call)):
        match node:
            case nodes.Filter(name="default" | "d") | nodes.Test(name="defined" | "undefined"):
                taken = node.node
            case nodes.Call(node=nodes.Getattr(attr="get"), args=[nodes.Const() as taken, *_]):
                pass
            case _:
                continue
        match taken:
            case nodes.Name(name=name) | nodes.Getattr(attr=name) | nodes.Getitem(arg=nodes.Const(value=name)):
                yield str(name)
            case nodes.Const(value=name):
                yield str(name)


def _check(tree: nodes.Template) -> None:
    for node in tree.find_all(nodes.Node):
        if isinstance(node, tuple(_REFUSED)):
            raise ValueError(f"line {node.lineno}: {_REFUSED[type(node)]}")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise ValueError(f"line {node.lineno}: there is no filter {node.name!r}; use {', '.join(sorted(_FILTERS))}")
        if isinstance(node, nodes.Call) and not _is_allowed(node):
            raise ValueError(f"line {node.lineno}: only these can be called: {', '.join(sorted(_METHODS))}")
        if not isinstance(node, (*_ALLOWED, nodes.EvalContext)):
            kind = type(node).__name__.lower()
            raise ValueError(f"line {node.lineno}: a template cannot use {kind}")


def _is_allowed(call: nodes.Call) -> bool:
    return isinstance(call.node, nodes.Getattr) and call.node.attr in _METHODS and not call.dyn_args
