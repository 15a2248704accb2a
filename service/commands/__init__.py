"""The command line's words: one module for each group of commands. A command is a few lines that call flow or store."""
