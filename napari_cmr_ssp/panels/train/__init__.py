"""Pretraining and fine-tuning: the recipe as a form, the command, the curves."""
