"""Runs, their scores, and what to do with one."""
