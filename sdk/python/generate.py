"""Writes the generated modules of the package: the types of the API from its OpenAPI document, and the synchronous client from
the asynchronous one.

Usage: generate.py [DOCUMENT]
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGE = HERE / "src/trigrun"


def with_filters(document: dict[str, Any]) -> dict[str, Any]:
    """Adds a schema for the filters of each list: `ListJobsFilters`. The generator makes none of parameters."""
    for operations in document["paths"].values():
        for operation in operations.values():
            query = {p["name"]: p for p in operation.get("parameters", []) if p.get("in") == "query"}
            if query.pop("cursor", None) is None:
                continue
            # `from` is a keyword of Python.
            properties = {f"{name}_" if name == "from" else name: p["schema"] for name, p in query.items()}
            name = "".join(word.capitalize() for word in operation["operationId"].split("_"))
            document["components"]["schemas"][f"{name}Filters"] = {"type": "object", "properties": properties}
    return document


def write_types(document: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(with_filters(document), file)
        file.flush()
        options = [
            *("--input", file.name, "--input-file-type", "openapi", "--output", str(PACKAGE / "types.py")),
            *("--output-model-type", "typing.TypedDict", "--target-python-version", "3.11", "--formatters", "builtin"),
            *("--use-standard-collections", "--use-union-operator", "--enum-field-as-literal", "all"),
            *("--use-schema-description", "--use-field-description", "--no-use-closed-typed-dict"),
            *("--disable-timestamp", "--custom-file-header", "# Generated from the OpenAPI document of TrigRun."),
        ]
        subprocess.run([Path(sys.executable).parent / "datamodel-codegen", *options], check=True)


SYNCHRONOUS = {
    r"async (def|with|for)": r"\1",
    r"await ": "",
    r"\bAsync(\w+)": r"\1",
    r"\b__a(enter|exit)__": r"__\1__",
    r"\baclose\b": "close",
    r"import anyio\n": "",
    r"\banyio\.sleep\b": "time.sleep",
}


def write_sync() -> None:
    text = (PACKAGE / "_async.py").read_text()
    for pattern, replacement in SYNCHRONOUS.items():
        text = re.sub(pattern, replacement, text)
    (PACKAGE / "_sync.py").write_text(f"# Generated from _async.py.\n{text}")


path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "../../docs/openapi.json"
write_types(json.loads(path.read_text()))
write_sync()
