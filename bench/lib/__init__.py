"""What the scripts in bench/ share. Importing it makes the end-to-end tests' harness importable, too."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/e2e"))
