"""The page: style transfer in a browser, without a server, or with the local app."""
