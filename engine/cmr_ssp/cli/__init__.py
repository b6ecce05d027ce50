"""Every stage on the command line: ``cmr-ssp``."""

from __future__ import annotations

import sys

from cmr_ssp.cli.streams import INTERRUPTED, ending_well, noticing_interrupts


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors of ours end it with code 1 and without a traceback."""
    with ending_well(), noticing_interrupts() as interrupted:
        try:
            from cmr_ssp.cli.app import run  # a tenth of a second, in which Ctrl-C may come too

            run(sys.argv[1:] if arguments is None else arguments)
        except (KeyboardInterrupt, Exception):
            if not interrupted():
                raise
            sys.stderr.write("interrupted\n")
            sys.exit(INTERRUPTED)
