"""The volumes of all frames below the canvas, with ED and ES."""
