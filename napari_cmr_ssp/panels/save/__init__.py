"""The Save panel: saves edited labels."""
