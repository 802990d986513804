"""Checks openapi.json: it is a valid OpenAPI 3.1 document, and its examples, the golden fixtures, fit its schemas."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)

validate(document)

failures = []
examples = 0
for name, schema in document["components"]["schemas"].items():
    # The references in the schema are resolved against the whole document.
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})
    for example in schema.get("examples", []):
        examples += 1
        failures += [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(example)]

for failure in failures:
    print(failure)
print(f"{len(document['components']['schemas'])} schemas, {examples} examples, {len(failures)} failures")
sys.exit(1 if failures else 0)
