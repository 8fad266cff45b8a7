"""Windows out of pixels, in bounded memory, each block decoded once."""
