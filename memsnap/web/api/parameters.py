"""Parameters of a URL, read once into values by what the table of routes says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multidict import MultiMapping

from memsnap.analysis.names import nearest
from memsnap.errors import UsageError
from memsnap.web.api.forms import MOST_LETTERS, Form

Values = Mapping[str, Any]
"""What was asked, by the parameters' names; all that the route knows are there."""

MOST_OF_ONE = 20
"""How often a parameter may be there that may be there several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of the query; `many` may be there several times, and is read as a tuple.

    `default` is what is read where it is not there.
    """

    name: str
    form: Form
    about: str
    default: Any = None
    needed: bool = False
    many: bool = False


def read_values(query: MultiMapping[str], known: Sequence[Parameter]) -> Values:
    """Return the values of a request.

    Raises UsageError for what is unknown, there twice, missing or malformed, with what there is.
    """
    names = [each.name for each in known]
    for name in query:
        if name not in names:
            close = nearest(name, names)
            there = ", ".join(names) or "none"
            raise UsageError(
                f"there is no parameter {name[:MOST_LETTERS]!r} here",
                hint=f"did you mean {close[0]}?" if close else f"there are: {there}",
            )
    return {each.name: _read(each, query.getall(each.name, ())) for each in known}


def _read(parameter: Parameter, texts: Sequence[str]) -> Any:
    name = parameter.name
    if not texts and parameter.needed:
        raise UsageError(f"the parameter {name} is missing", hint=parameter.about)
    if len(texts) > 1 and not parameter.many:
        raise UsageError(f"the parameter {name} is there twice", hint="give it once")
    if len(texts) > MOST_OF_ONE:
        raise UsageError(f"{name} is there {len(texts)} times", hint=f"at most {MOST_OF_ONE}")
    if any(len(text) > MOST_LETTERS for text in texts):
        raise UsageError(f"{name} is longer than {MOST_LETTERS} letters", hint="shorten it")
    values = tuple(parameter.form.read(name, text) for text in texts)
    if parameter.many:
        return values
    return values[0] if values else parameter.default
