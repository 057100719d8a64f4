"""The JavaScript of pages: small ES modules that several pages share, and how they get into one.

bundle    an ES module with all that it imports, as one script that a page contains
"""
