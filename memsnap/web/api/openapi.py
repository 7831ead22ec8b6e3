"""The OpenAPI 3.1 document, written from the table of routes and the types of their answers."""

import importlib.resources
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from memsnap.archive.errors import Problem
from memsnap.config.settings import Scope
from memsnap.version import __version__
from memsnap.web.access.guard import OWN_HEADER
from memsnap.web.api.parameters import MOST_OF_ONE, Parameter
from memsnap.web.api.route import DIFF_SCHEMA, PROBLEM, Answer, Route
from memsnap.web.api.table import COMPONENTS

_TEMPLATE = "#/components/schemas/{name}"
_COMMON = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**19 - 1, "examples": [1]},
}


def openapi(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the document."""
    types = list(_types(routes))
    shapes, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    schemas = dict(zip((_key(each) for each in types), shapes, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schemas)
        paths.setdefault(route.shown_path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "memsnap",
            "version": __version__,
            "description": "Heap captures of Go services, and what survives between them. Times "
            "that end in _ns are nanoseconds since 1970, sizes are bytes.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, **_diff_schemas()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The token as password, for `go tool pprof`.",
                },
            },
        },
    }


def _types(routes: Iterable[Route]) -> Iterable[Any]:
    yield from COMPONENTS
    for route in routes:
        for answer in route.answers.values():
            if answer.schema is not None and not isinstance(answer.schema, (str, dict)):
                yield answer.schema


def _key(schema: Any) -> str:
    return repr(schema)


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    path = [_ID] if "{id}" in route.shown_path else []
    query = [_parameter(each) for each in route.parameters]
    own = [_own_header()] if route.method != "GET" else []
    answers = {str(status): _answer(one, schemas) for status, one in route.answers.items()}
    if route.cached:
        answers["304"] = {"description": "It is what the request says it has (If-None-Match)."}
    problem = {"schema": schemas[_key(Problem)]}
    for status in sorted({*_COMMON, *route.refusals}):
        answers[str(int(status))] = {
            "description": status.phrase,
            "content": {PROBLEM: problem},
        }
    security: list[dict[str, list[str]]] = [{"bearer": []}, {"basic": []}, {}]
    return {
        "operationId": route.name,
        "summary": route.about,
        "tags": [route.tag],
        "parameters": [*path, *query, *own],
        "responses": answers,
        "security": [] if route.scope is None else security,
        "x-scope": route.scope.value if isinstance(route.scope, Scope) else "open",
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    schema = dict(one.form.schema)
    if one.many:
        schema = {"type": "array", "items": schema, "maxItems": MOST_OF_ONE}
    elif one.default not in (None, ""):
        schema["default"] = one.default
    return {
        "name": one.name,
        "in": "query",
        "required": one.needed,
        "description": one.about,
        "schema": schema,
    }


def _own_header() -> dict[str, Any]:
    return {
        "name": OWN_HEADER,
        "in": "header",
        "required": False,
        "description": "Needed unless a token is sent as Authorization: Bearer.",
        "schema": {"type": "string", "enum": ["1"]},
    }


def _answer(answer: Answer, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = answer.schema
    if schema is None:
        shape: dict[str, Any] = {}
    elif isinstance(schema, str):
        shape = {"schema": {"$ref": _TEMPLATE.format(name=schema)}}
    elif isinstance(schema, dict):
        shape = {"schema": schema}
    else:
        shape = {"schema": schemas[_key(schema)]}
    return {"description": answer.about, "content": {answer.content_type: shape}}


def _diff_schemas() -> dict[str, Any]:
    """Return the schema of a diff and its parts as components: `#/$defs/row` is `Diff.row`."""
    text = (importlib.resources.files("memsnap.report") / "schemas/diff-1.json").read_text()
    # The parts are named once in the file and referred to by their place in it.
    text = text.replace('"#/$defs/', f'"{_TEMPLATE.format(name=DIFF_SCHEMA)}.')
    schema = msgspec.json.decode(text)
    parts = schema.pop("$defs")
    schema.pop("$schema")
    named = {f"{DIFF_SCHEMA}.{name}": part for name, part in parts.items()}
    return {DIFF_SCHEMA: schema, **named}
