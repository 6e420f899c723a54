"""`mailseal serve`, with every logger at debug level on stderr and asyncio's own debugging."""

from __future__ import annotations

import logging
import sys
import warnings

from mailseal.cli import main

if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    logging.captureWarnings(capture=True)
    warnings.simplefilter("always")
    main(sys.argv[1:])
