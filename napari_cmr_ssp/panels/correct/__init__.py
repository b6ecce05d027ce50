"""Correct contours: tools, proposals, states and live 3D Dice."""
