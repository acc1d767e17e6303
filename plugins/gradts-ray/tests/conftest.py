"""An environment may do without Ray, which is large; `make install` brings it."""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # what these tests share
collect_ignore_glob = [] if find_spec("gradts_ray") and find_spec("ray") else ["test_*.py"]
