"""An environment may do without Ray, which is large; `make install` brings it."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("gradts_ray") and find_spec("ray") else ["test_faults.py", "test_ray.py", "test_runs.py"]
