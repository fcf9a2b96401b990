"""The pages: the catalog for people, rendered on the server, without any script."""
