"""JSON documents as readers get them: parsed, and valid against the schema that they name."""

import importlib.resources
import json

from jsonschema import Draft202012Validator


def checked(text):
    """Return a document, valid against the schema that it names."""
    document = json.loads(text)
    name = document["schema"].removeprefix("memsnap.").replace("/", "-")
    schema = importlib.resources.files("memsnap.report") / f"schemas/{name}.json"
    validator = Draft202012Validator(json.loads(schema.read_text()))
    validator.check_schema(validator.schema)
    assert [
        f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)
    ] == []
    return document
