"""Check every answer of the API against what OpenAPI declares for its route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

JSON, PROBLEM = "application/json", "application/problem+json"
# Answers that any path may give, so routes do not repeat them: internal errors, and refusals before routing.
ANYWHERE = {404, 405, 431, 500}

Key = tuple[str, str, int]
"""Method, path and status, as OpenAPI has them."""


class Declarations:
    """What an OpenAPI document declares. A validator is built when its answer is seen: all of them take two seconds."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._components = {
            "schemas": {name: _closed(item) for name, item in document["components"]["schemas"].items()}
        }
        self.answers: dict[Key, Mapping[str, Any]] = dict(answers_of(document))
        """By type of the content."""
        self._validators: dict[tuple[Key, str], Draft202012Validator] = {}
        # The longest first: a campaign's name may contain slashes.
        paths = sorted({path for _, path, _ in self.answers}, key=lambda path: len(re.sub(r"{\w+}", "", path)))
        self._paths = [(path, re.compile(_pattern(path))) for path in reversed(paths)]

    def validator(self, key: Key, kind: str) -> Draft202012Validator | None:
        """For an answer that is declared. None: content of this type has no schema."""
        if kind not in (JSON, PROBLEM):
            return None
        return self._validator((key, kind), self.answers[key][kind]["schema"])

    def problem(self) -> Draft202012Validator:
        """For a problem that any route may answer."""
        return self._validator((("", "", 0), PROBLEM), {"$ref": "#/components/schemas/ProblemDetails"})

    def _validator(self, at: tuple[Key, str], schema: Mapping[str, Any]) -> Draft202012Validator:
        if at not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[at] = Draft202012Validator(whole, validate_formats=True)
        return self._validators[at]

    def path_of(self, request: httpx.Request) -> str | None:
        """The declared path of a request; None: no path matches."""
        asked = request.url.raw_path.partition(b"?")[0].decode()
        return next((path for path, pattern in self._paths if pattern.fullmatch(asked)), None)


class DeclaredAnswers:
    """Declarations, and which of them were seen."""

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        self.declared = declarations.answers
        self.seen: set[Key] = set()

    def check(self, response: httpx.Response) -> None:
        """Pass if the answer matches its declaration; otherwise fail with the difference."""
        if response.request.method == "HEAD":
            return  # it has no body
        method, status = response.request.method, response.status_code
        path = self._declarations.path_of(response.request)
        kind = response.headers.get("content-type", "").partition(";")[0]
        key = (method, path or "", status)
        if kind == PROBLEM and (status in ANYWHERE or key not in self.declared):
            _validate(self._declarations.problem(), response)
            assert status in ANYWHERE or path is None, f"not declared: {_shown(response)}"
            return
        if path is None:
            return
        assert key in self.declared, f"not declared: {_shown(response)}"
        content = self.declared[key]
        assert kind in content if kind else not content, f"another type: {_shown(response)}"
        if kind and (validator := self._declarations.validator(key, kind)) is not None:
            _validate(validator, response)
        self.seen.add(key)


def answers_of(document: Mapping[str, Any]) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """Every answer of a document, with its content by type."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                yield (method.upper(), path, int(status)), answer.get("content", {})


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that allows no other members."""
    return deepcopy(schema) | ({"additionalProperties": False} if "properties" in schema else {})


def _pattern(template: str) -> str:
    return re.sub(r"\\{(\w+)\\}", lambda found: ".+" if found[1] == "name" else "[^/]+", re.escape(template))


def _validate(validator: Draft202012Validator, response: httpx.Response) -> None:
    wrong = [str(error) for error in validator.iter_errors(_sound(json.loads(response.read())))]
    assert not wrong, f"{_shown(response)}: {wrong}"


def _sound(value: Any) -> Any:
    """JSON without lone surrogates, which a problem may quote."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _shown(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url} {response.status_code} {response.read()[:2000]!r}"
