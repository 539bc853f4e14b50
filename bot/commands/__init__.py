"""The groups of the command line, one file each; every command only parses, calls and prints."""
