"""Objects in images: boxes, and how a network is trained to give them."""
