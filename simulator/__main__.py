from __future__ import annotations

import sys

from simulator.main import main

sys.exit(main())
