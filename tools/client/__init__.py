"""Makes what is generated of `clients/python`: `python -m tools.client`."""
