"""The whole catalog, or one dataset, in the forms that other people's programs read."""
