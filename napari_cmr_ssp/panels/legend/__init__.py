"""The Legend panel: names the colours of the structures in view."""
