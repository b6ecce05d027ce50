"""Self-supervised pretraining and few-label segmentation of cardiac MR cine stacks."""

__version__ = "0.1.0"
