import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    if error.name not in ("rich", "matplotlib", "scipy"):
        raise
    sys.exit(f"the bench suite needs {error.name}: pip install 'tapwise[bench]'")

sys.exit(main())
