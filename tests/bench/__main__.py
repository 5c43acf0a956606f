"""python -m tests.bench, the same as script/bench."""

import sys

from tests.bench.command import main

sys.exit(main())
