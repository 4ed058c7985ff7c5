"""Writes what is generated of the client: `PYTHONPATH=platform:clients/python/src:. python -m tools.client`.

To be run after a change of the API, with `tests/contracts/openapi.json` brought up to date, and after one of `_aio`.
"""

import msgspec

from tools.client.files import ROOT, made_files

if __name__ == "__main__":
    description = msgspec.json.decode((ROOT / "tests/contracts/openapi.json").read_bytes())
    for path, text in made_files(description).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
