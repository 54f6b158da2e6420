"""The files of the page; it needs no build step and nothing from elsewhere."""
