"""The Reconstructions panel: what masked image modelling learned."""
