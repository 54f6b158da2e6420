"""What is written in the tree holds on every machine, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# In two parts each, so that this file, too, names none.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        *(("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"), ("npmjs", "org")),
        *(("npmjs", "com"), ("yarnpkg", "com"), ("crates", "io"), ("rubygems", "org")),
        *(("repo.maven.apache", "org"), ("proxy.golang", "org")),
    )
)
ELSEWHERE = re.compile(
    "|".join(
        [
            *(rf"\b{re.escape(host)}\b" for host in REGISTRIES),
            r"(?<![\w.])/(?:home|Users)/\w",
            r"(?<![\w.])/root/",
            r"\b[A-Z]:\\Users\\",
        ]
    )
)
LINK = re.compile(r"\[[^\]]*\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)")


def text_of(path: Path) -> str:
    """Read a file as text; one that is not text has none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_names_a_registry_or_somebody_s_machine(
    project_files: list[Path], root: Path
) -> None:
    found = [
        f"{path.relative_to(root)}:{number}: {match[0]}"
        for path in project_files
        if path != Path(__file__).resolve()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if (match := ELSEWHERE.search(line))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"index-url = https://{REGISTRIES[0]}/simple", True),
        (f'"resolved": "https://registry.{REGISTRIES[3]}/x"', True),
        ("cd /home/ada/callboard", True),
        ("open /Users/ada/flow.yaml", True),
        (r"C:\Users\ada", True),
        ("GET /api/v1/home/ and examples/home/x.yaml", False),
        ("https://callboard.example/Users/", False),
    ],
)
def test_the_pattern_finds_what_it_should(text: str, found: bool) -> None:
    assert bool(ELSEWHERE.search(text)) is found


def test_every_link_between_documents_leads_somewhere(
    project_files: list[Path], root: Path
) -> None:
    broken = [
        f"{path.relative_to(root)}: {target}"
        for path in project_files
        if path.suffix == ".md"
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []
