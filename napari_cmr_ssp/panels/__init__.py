"""One package a panel: its view, and the tables and dialogs that only it uses."""
