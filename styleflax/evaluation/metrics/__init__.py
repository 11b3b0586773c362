"""Pure functions from pictures to numbers, and detectors of artifacts.

Pictures are float32 RGB in [0, 1], (h, w, 3) or (b, h, w, 3). A metric returns one
number per picture, of shape (b,), with b = 1 for a picture without a batch axis.
"""
