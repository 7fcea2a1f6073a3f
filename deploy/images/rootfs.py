"""Makes the root of the final images from Debian's packages of this machine: Python, the libraries that it
and the wheels need, certificates and time zones. Neither a shell nor a package manager.

    python rootfs.py FOLDER
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

USER = 10001
PACKAGES = (
    "base-files", "tzdata", "media-types", "ca-certificates",
    "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libbz2-1.0", "liblzma5", "libexpat1", "libffi8", "libssl3",
    "libuuid1", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib",
)  # fmt: skip
LINKS = ("bin", "lib", "lib64", "sbin")  # into /usr, as in Debian
# Of the documentation only licences stay.
LEFT_OUT = re.compile(
    r"/usr/share/doc/.*/(?!copyright$)[^/]+$|/usr/share/(man|locale|lintian|info|menu|bug|pixmaps|applications)/"
    r"|/usr/share/zoneinfo/(right|posix)/|/usr/lib/[^/]+-linux-gnu/gconv/|/usr/s?bin/(?!python3\.11$)|/usr/share/ca-certificates/"
    r"|/(home|root|boot|media|mnt|srv|opt|dev|proc|sys|run|tmp)(/|$)"
    r"|/usr/lib/python3\.11/(idlelib|lib2to3|pydoc_data|ensurepip|venv|distutils|tkinter|turtle|test)"
    r"|/usr/lib/python3\.11/lib-dynload/(_curses|_sqlite3|readline|_dbm|_test|_xxtest|audioop|ossaudiodev|nis|_crypt)"
)
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/nonexistent\n"
    f"ingestor:x:{USER}:{USER}:Data Ingestor:/tmp:/nonexistent\n",
    "etc/group": f"root:x:0:\ningestor:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def copy_package(package: str, root: Path) -> None:
    """Copy the files of an installed package, and say that it is there, for scanners of images."""
    listed = subprocess.run(["dpkg-query", "-L", package], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        source = Path(line)
        if LEFT_OUT.search(line) or line == "/." or not os.path.lexists(source) or line.lstrip("/") in LINKS:
            continue
        target = root / line.lstrip("/")
        if source.is_dir() and not source.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    status = subprocess.run(["dpkg-query", "-s", package], capture_output=True, text=True, check=True).stdout
    (root / "var/lib/dpkg/status.d" / package).write_text(status)


def main() -> None:
    """Make the folder."""
    root = Path(sys.argv[1])
    (root / "var/lib/dpkg/status.d").mkdir(parents=True)
    for name in LINKS:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in PACKAGES:
        copy_package(package, root)
    for name in ("python3", "python"):
        (root / "usr/bin" / name).symlink_to("python3.11")
    for name in ("etc/ssl/certs", "etc/ingestor", "proc", "sys", "dev", "run"):
        (root / name).mkdir(parents=True, exist_ok=True)
    # Debian's own certificates alone: whoever builds may trust more.
    known = sorted(Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
    (root / "etc/ssl/certs/ca-certificates.crt").write_text("".join(path.read_text() for path in known))
    for name, text in FILES.items():
        (root / name).write_text(text)
    for name, mode in (("tmp", 0o1777), ("var/lib/ingestor", 0o750), ("var/lib/ingestor/files", 0o750)):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
        if name != "tmp":
            os.chown(root / name, USER, USER)
    subprocess.run(["ldconfig", "-r", root], check=True)
    # The root is read-only where it runs: nothing is compiled there.
    library = root / "usr/lib/python3.11"
    command = [
        sys.executable,
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        root,
        library,
    ]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
