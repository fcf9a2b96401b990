"""Search over the catalog: analysis of Chinese text, the index, and ranking."""
