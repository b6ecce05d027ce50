"""``python -m cmr_ssp.cli``, used by ``torchrun -m`` and the processes of ``--devices``."""

from cmr_ssp.cli import main

if __name__ == "__main__":
    main()
