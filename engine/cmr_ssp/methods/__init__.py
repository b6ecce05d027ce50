"""Self-supervised pretraining: one subpackage per method, each with a subclass of `PretrainObjective`.

The subpackage of a method defines its `Method` without importing torch. `cmr_ssp.recipes.methods` lists all.
"""
