"""``python -m cmr_ssp.cli``, as ``torchrun -m`` and the processes of ``--devices`` start it."""

from cmr_ssp.cli import main

if __name__ == "__main__":
    main()
