"""Self-supervised pretraining: one folder a method, all filling the slots of `PretrainObjective`.

A method's package names its `Method` and loads no torch. `cmr_ssp.recipes.methods` lists all of them.
"""
