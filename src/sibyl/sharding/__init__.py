"""Piles of rows in many shards, solved by several threads or machines: each pass is a map over shards and a sum."""
