"""Checks openapi.json: it is a valid OpenAPI 3.1 document, each operation has its examples, and all of them fit."""

from __future__ import annotations

import json
import sys
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)

validate(document)

components = document["components"]
failures: list[str] = []
counts = dict.fromkeys(("schemas", "parameters", "requests", "answers", "errors", "code samples"), 0)


def check(place: str, kind: str, schema: dict[str, Any], example: object) -> None:
    """Counts an example, and keeps what does not fit. References are resolved against the whole document."""
    counts[kind] += 1
    validator = Draft202012Validator({**schema, "components": components})
    failures.extend(f"{place}: {error.json_path}: {error.message}" for error in validator.iter_errors(example))


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """What a reference into the components refers to; other values as they are."""
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    return components[kind][name]


def check_content(place: str, kind: str, content: dict[str, Any]) -> None:
    """Each media type has at least one example, and all fit; of an event that is its data, too."""
    for media_type, media in content.items():
        examples = [resolved(example)["value"] for example in media.get("examples", {}).values()]
        if "example" in media:
            examples.append(media["example"])
        if not examples:
            failures.append(f"{place}: no example of {kind}")
        for example in examples:
            check(place, kind, media["schema"], example)
            if media_type == "text/event-stream":
                data = media["schema"]["properties"]["data"]["contentSchema"]
                check(place, kind, data, json.loads(example["data"]))


for name, schema in components["schemas"].items():
    for example in schema.get("examples", []):
        check(name, "schemas", {"$ref": f"#/components/schemas/{name}"}, example)

for name, response in components["responses"].items():
    check_content(name, "errors", response.get("content", {}))

operations = 0
for path, item in document["paths"].items():
    for method, operation in item.items():
        operations += 1
        place = f"{method.upper()} {path}"
        for parameter in map(resolved, operation.get("parameters", [])):
            if "example" in parameter:
                check(place, "parameters", parameter["schema"], parameter["example"])
            elif parameter["in"] == "path":
                failures.append(f"{place}: no example of the parameter `{parameter['name']}`")
        if "requestBody" in operation:
            check_content(place, "requests", operation["requestBody"]["content"])
        for status, response in operation["responses"].items():
            if status.startswith("2") and "$ref" not in response:
                check_content(place, "answers", response.get("content", {}))
        if "sandbox" in operation["tags"]:
            continue
        languages = [sample["lang"] for sample in operation.get("x-codeSamples", [])]
        counts["code samples"] += len(languages)
        if languages != ["TypeScript", "Python", "Rust"]:
            failures.append(f"{place}: shown in {languages}, not in all three languages")

for failure in failures:
    print(failure)
totals = ", ".join(f"{count} {kind}" for kind, count in counts.items())
print(f"{operations} operations; examples: {totals}; {len(failures)} failures")
sys.exit(1 if failures else 0)
