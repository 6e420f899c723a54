"""Writes the pages of docs/ that are made from the code; run by `./dev fix`.

Rule: one function a page, in the module that it is about; tests/house fails when a page is stale.
"""

from pathlib import Path

from mailseal.config import format_reference

HERE = Path(__file__).resolve().parent.parent
PAGES = {"docs/config.md": format_reference}


def main() -> None:
    """Write each page anew."""
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
