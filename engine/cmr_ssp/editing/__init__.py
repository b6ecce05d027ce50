"""Editing contours: outlines, the tools that change them, proposals, and who stands behind each contour."""
