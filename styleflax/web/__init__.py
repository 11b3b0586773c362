"""Style transfer in a browser: a static page, and a local app that serves it."""
