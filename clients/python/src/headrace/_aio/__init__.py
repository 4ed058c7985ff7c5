"""One half of the client; the other, in `_sync`, is made of what stands in `_aio`."""
