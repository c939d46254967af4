"""Raw EMBER rows to feature vectors, and the samples drawn from them."""
