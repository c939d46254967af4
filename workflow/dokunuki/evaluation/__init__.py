"""Measures of accuracy and attack success, and the table that holds them."""
