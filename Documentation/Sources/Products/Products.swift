// Nothing: this target depends on the libraries that are documented.
