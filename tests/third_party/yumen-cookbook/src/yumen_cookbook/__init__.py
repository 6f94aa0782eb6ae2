"""Ten small plugins for Yumen; each module is one of them and needs none of the others."""
