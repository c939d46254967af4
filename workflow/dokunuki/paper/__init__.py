"""The page of the paper: its panels beside what else a study of it was made to find out."""
