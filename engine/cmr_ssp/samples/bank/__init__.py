"""The slice bank: built once, stored on disk, mapped into memory."""
