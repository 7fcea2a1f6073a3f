"""Writes what is in an image as CycloneDX (JSON): the Python packages and Debian's, with their versions.

python sbom.py IMAGE SITE_PACKAGES DPKG_STATUS_FOLDER FILE
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_LICENCES = LicenseFactory()


def python_packages(folder: Path) -> Iterator[Component]:
    """The distributions of a site-packages folder."""
    for found in distributions(path=[str(folder)]):
        name = found.metadata["Name"]
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=found.version,
            bom_ref=f"pkg:pypi/{name}@{found.version}",
            purl=PackageURL("pypi", None, name.lower().replace("_", "-"), found.version),
            licenses=[_LICENCES.make_from_string(text) for text in _licence(found)],
            external_references=[
                ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(url)) for url in _page(found)
            ],
        )


def _licence(found: Distribution) -> list[str]:
    """What the package says of its licence, in one line; nothing when it only includes a text."""
    text = found.metadata["License-Expression"] or found.metadata["License"] or ""
    return [text] if text and "\n" not in text else []


def _page(found: Distribution) -> list[str]:
    url = found.metadata["Home-page"]
    return [url] if url and url.startswith("https://") else []


def debian_packages(folder: Path) -> Iterator[Component]:
    """The packages of files as `dpkg-query --status` prints them."""
    for path in sorted(folder.iterdir()):
        status = HeaderParser().parsestr(path.read_text())
        name, version = status["Package"], status["Version"]
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"pkg:deb/debian/{name}@{version}",
            purl=PackageURL("deb", "debian", name, version, {"arch": status["Architecture"]}),
        )


def main() -> None:
    """Write a file."""
    image, packages, debian, target = sys.argv[1], *map(Path, sys.argv[2:])
    root = Component(type=ComponentType.CONTAINER, name=image, bom_ref=image)
    bom = Bom(components=[*python_packages(packages), *debian_packages(debian)])
    bom.metadata.component = root
    bom.register_dependency(root, bom.components)
    target.write_text(JsonV1Dot6(bom).output_as_string(indent=1))
    sys.stdout.write(f"{target}: {len(bom.components)} components\n")


if __name__ == "__main__":
    main()
