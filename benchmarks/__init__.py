"""Benchmarks: each module measures one claim and writes benchmarks/results/NAME.json; tables.py shows them."""
