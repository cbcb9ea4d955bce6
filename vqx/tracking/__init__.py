"""Services that follow runs from outside, and what they need to know of them."""
