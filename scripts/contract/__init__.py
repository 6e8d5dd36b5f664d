"""The published contract, `docs/contract/`, made from the code: `python -m scripts.contract` writes it anew."""
