"""What is to be cut: the table of cells, what the mask says of it, markers and channels."""
