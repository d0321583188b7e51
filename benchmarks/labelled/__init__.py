"""Collections of images whose categories are known, out of packages or drawn here."""
