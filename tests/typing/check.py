"""Whether type checkers find the errors that ``bad.py`` marks, and no other, there and in ``good.py``.

Prints what differs and exits with 1 then.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # whose pyproject.toml says for which Python, and where tapwise is
PROGRAMS = [ROOT / "tests" / "typing" / name for name in ("good.py", "bad.py")]
CHECKERS = {"mypy": ["--no-pretty"], "basedpyright": ["--level=error"]}
FOUND = re.compile(r"(good|bad)\.py:(\d+)\b.* error: (.*)")


def marked() -> set[tuple[str, int]]:
    return {
        (path.stem, number)
        for path in PROGRAMS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.endswith("# error")
    }


def found(checker: str) -> dict[tuple[str, int], str]:
    command = [sys.executable, "-m", checker, *CHECKERS[checker], *map(str, PROGRAMS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    errors = {(name, int(line)): message for name, line, message in FOUND.findall(run.stdout)}
    if not errors:  # the checker itself failed
        sys.exit(run.stdout + run.stderr)
    return errors


def main() -> None:
    expected = marked()
    wrong = 0
    for checker in CHECKERS:
        errors = found(checker)
        for name, line in sorted(expected ^ errors.keys()):
            print(f"{name}.py:{line}: {checker}: {errors.get((name, line), 'no error, but one is marked')}")
            wrong += 1
    print(f"{len(expected)} wrong lines, {' and '.join(CHECKERS)}: {wrong} differences")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
