"""A local page in which a person labels a pile, and sees the rest follow."""
