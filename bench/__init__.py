"""How close tapwise comes to what a machine can do, and to others: `python -m bench`, or `python -m tapwise.bench`."""
