"""`python -m edgecnn` is the `edgecnn` command."""

from __future__ import annotations

import sys

from edgecnn.cli import main

sys.exit(main())
