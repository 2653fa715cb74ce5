"""`python -m ganrepro.cli`, as `ganrepro`."""

import sys

from . import main

sys.exit(main())
