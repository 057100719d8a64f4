"""What jnn's speed is, beside its peers and beside other forms of its own parts: see README.md."""
