"""What a data set holds, before anything is computed with it: counts, sizes, modes, duplicates."""
