"""One module for each verb of the command line, with a function ``main(argv) -> exit code``."""
