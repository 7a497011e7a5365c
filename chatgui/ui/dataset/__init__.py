"""The views of the Dataset tab, one file each."""
