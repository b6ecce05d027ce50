"""The command line ``cmr-ssp``."""

from __future__ import annotations

import sys

from cmr_ssp.cli.streams import INTERRUPTED, ending_well, noticing_interrupts


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors of this package end it with code 1, without a traceback."""
    with ending_well(), noticing_interrupts() as interrupted:
        try:
            from cmr_ssp.cli.app import run  # takes 0.1 s, in which Ctrl-C may be pressed

            run(sys.argv[1:] if arguments is None else arguments)
        except (KeyboardInterrupt, Exception):
            if not interrupted():
                raise
            sys.stderr.write("interrupted\n")
            sys.exit(INTERRUPTED)
