"""Video: frames, motion, smoothing, files."""
