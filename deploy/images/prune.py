"""Removes from installed packages what the suite never loads, and symbols that only a debugger reads.

    python prune.py SITE_PACKAGES

Prints how many bytes that saved. Raises SystemExit when a pattern finds nothing in a package that
is there: the package has changed, and someone should look again at what it brings.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# Package -> what goes: Arrow's own network clients, query plans, C++ headers and Cython sources; NumPy's
# compiler tools and what of its mathematics nothing calls.
UNUSED: dict[str, tuple[str, ...]] = {
    "pyarrow": (
        "include", "includes", "src", "tests", "*.pyx", "*.pxd", "*.pxi", "*.pyi",
        "libarrow_flight.*", "libarrow_python_flight.*", "_flight.*",
        "libarrow_substrait.*", "_substrait.*",
        "libarrow_s3.*", "_s3fs.*", "_gcsfs.*", "_azurefs.*", "_hdfs.*",
        "libarrow_python_parquet_encryption.*", "_parquet_encryption.*", "_dataset_parquet_encryption.*",
        "_pyarrow_cpp_tests.*", "_orc.*", "_dataset_orc.*", "libarrow_python.so", "libarrow_python.so.*.*.*",
    ),
    "numpy": (
        "f2py", "distutils", "random", "polynomial", "fft", "**/tests", "_core/include", "_core/lib",
        "_core/_simd.*", "**/*.pyi", "**/*.pxd",
    ),
    "cffi": ("*",),  # makes bindings; those that are made need its library alone
    "pycparser": ("*",),
    "zstandard": ("_cffi.*",),
    "grpc": ("_cython/*.pyx",),
    "aiohttp": ("*.pyx",),
    "polars": ("**/*.pyi",),
}  # fmt: skip
OPTIONAL = {
    "*.pyi",
    "**/*.pyi",
    "**/*.pxd",
    "_core/lib",
    "_cython/*.pyx",
    "*.pyx",
    "distutils",
}  # not in every release
# Package -> a library that others of it name without calling it.
NEEDLESS = {"pyarrow": "libarrow_substrait.so"}
AWS_SERVICES = {"sqs", "s3", "sts", "rds"}
_PATCHED = ".libs"  # libraries that auditwheel has moved: strip would damage them


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def remove_unused(packages: Path) -> None:
    """Remove what UNUSED names, and what botocore knows of services that are not called."""
    for name, patterns in UNUSED.items():
        package = packages / name
        if not package.is_dir():
            continue
        for pattern in patterns:
            found = list(package.glob(pattern))
            if not found and pattern not in OPTIONAL:
                raise SystemExit(f"prune: {name} has no {pattern} any more")
            for path in found:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
    data = packages / "botocore" / "data"
    for path in list(data.iterdir()) if data.is_dir() else []:
        if path.is_dir() and path.name not in AWS_SERVICES:
            shutil.rmtree(path)


def remove_needless(packages: Path) -> None:
    """Take the names of libraries in NEEDLESS out of those that name them. Raises CalledProcessError."""
    for name, needless in NEEDLESS.items():
        for path in (packages / name).glob("*.so*"):
            needed = subprocess.run(
                ["patchelf", "--print-needed", path], capture_output=True, text=True, check=True
            ).stdout.split()
            for library in needed:
                if library.startswith(needless):
                    subprocess.run(["patchelf", "--remove-needed", library, path], check=True)


def strip(packages: Path) -> None:
    """Remove the symbols of libraries."""
    libraries = [
        path
        for path in packages.rglob("*.so*")
        if path.is_file() and not path.is_symlink() and not path.parent.name.endswith(_PATCHED)
    ]
    for path in libraries:
        subprocess.run(["strip", "--strip-unneeded", path], check=True)


def main() -> None:
    """Prune a folder."""
    packages = Path(sys.argv[1])
    before = size_of(packages)
    remove_unused(packages)
    strip(packages)
    remove_needless(packages)  # last: strip damages what patchelf has written
    after = size_of(packages)
    sys.stdout.write(f"{packages}: {before / 1e6:.0f} MB, pruned to {after / 1e6:.0f} MB\n")


if __name__ == "__main__":
    main()
