"""The Train panel: recipe form, command and curves."""
