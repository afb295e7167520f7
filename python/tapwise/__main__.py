"""``python -m tapwise``: where the C++ headers are, and what was built."""

import argparse
from pathlib import Path

from . import __version__, build_info

_HERE = Path(__file__).resolve().parent


def main() -> None:
    """Prints what the option asks for; without one, build_info()."""
    parser = argparse.ArgumentParser(prog="python -m tapwise", description=__doc__)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--version", action="store_true", help="the version")
    group.add_argument("--includes", action="store_true", help="the directory of the C++ headers")
    group.add_argument("--cmakedir", action="store_true", help="the directory of the CMake package")
    arguments = parser.parse_args()
    if arguments.version:
        print(__version__)
    elif arguments.includes:
        print(_HERE / "include")
    elif arguments.cmakedir:
        print(_HERE / "share" / "cmake" / "tapwise")
    else:
        for key, value in build_info().items():
            print(f"{key:12} {value}")


if __name__ == "__main__":
    main()
