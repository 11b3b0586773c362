"""The page in the browser, and the local app that puts this machine behind it."""
