"""The examples of docs/typescript.md as programs that a compiler can check."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.integration.typescript.node import CLIENT

GUIDE = CLIENT.parent / "docs" / "typescript.md"
README = CLIENT / "README.md"
_GIVEN = {
    "reelq": 'import { Reelq } from "@reelq/client"; declare const reelq: Reelq;',
    "id": "declare const id: string;",
    "lastId": "declare let lastId: string;",
    "signal": "declare const signal: AbortSignal;",
    "handle": 'import type { JobEvent } from "@reelq/client"; declare function handle(event: JobEvent): Promise<void>;',
    "onProgress": "declare function onProgress(bytes: number, total: number | null): void;",
    "SECRET": "declare const SECRET: string;",
}
_OPTIONS = {"noEmit": True, "rootDir": "../..", "noUnusedLocals": False}


def write_examples() -> Path:
    """Write every example into a folder with a tsconfig.json, and return the folder."""
    folder = CLIENT / "build" / "guide"
    folder.mkdir(parents=True, exist_ok=True)
    texts = [path.read_text(encoding="utf-8") for path in (GUIDE, README)]
    examples = [block for text in texts for block in re.findall(r"```ts\n(.*?)```", text, re.DOTALL)]
    assert len(examples) > 5
    for old in folder.glob("*.ts"):
        old.unlink()
    for number, example in enumerate(examples):
        given = [line for name, line in _GIVEN.items() if _uses(example, name)]
        (folder / f"example_{number}.ts").write_text("\n".join([*given, example]), encoding="utf-8")
    config = {"extends": "../../tsconfig.json", "compilerOptions": _OPTIONS, "include": ["*.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _uses(example: str, name: str) -> bool:
    """Whether an example uses a name that it does not declare."""
    return re.search(rf"\b{name}\b", example) is not None and not re.search(
        rf"(const|let) (\w+, )?(\{{ [^}}]*)?\b{name}\b", example
    )
