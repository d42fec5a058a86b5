"""The pages of the JSON files, from their schemas in docs/schemas."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generators.text import cell, code, table

SCHEMAS = Path(__file__).parents[1] / "schemas"


def schemas() -> dict[str, dict]:
    """Return the schemas by the file that each describes."""
    return {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8"))
        for path in sorted(SCHEMAS.glob("*.schema.json"))
    }


def _type(schema: dict) -> str:
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[-1]
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    kinds = schema.get("type", "any")
    text = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if "items" in schema:
        text += f" of {_type(schema['items'])}"
    if "anyOf" in schema:
        text = " or ".join(map(_type, schema["anyOf"]))
    return text


def _rows(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for key, value in schema.get("properties", {}).items():
        need = "" if key in schema.get("required", ()) else "optional; "
        text = need + value.get("description", "")
        yield code(prefix + key), cell(_type(value)), cell(text.strip("; "))
        yield from _rows(value, f"{prefix}{key}.")
        if isinstance(items := value.get("items"), dict):
            yield from _rows(items, f"{prefix}{key}[].")
    if isinstance(more := schema.get("additionalProperties"), dict):
        yield code(f"{prefix}*"), cell(_type(more)), cell(more.get("description", ""))
        yield from _rows(more, f"{prefix}*.")


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    text = (
        "# JSON files\n\nSchemas are JSON Schema, 2020-12; the tests check real files "
        "by them.\n\n"
    )
    for name, schema in schemas().items():
        text += f"## {schema['title']}\n\n{schema['description']}\n\n"
        text += f"{{download}}`{name}.schema.json <../schemas/{name}.schema.json>`\n\n"
        text += table(("key", "type", "meaning"), _rows(schema))
        for part, found in schema.get("$defs", {}).items():
            text += f"### {part}\n\n{found.get('description', '')}\n\n"
            text += table(("key", "type", "meaning"), _rows(found))
    return {"json_files.md": text}
