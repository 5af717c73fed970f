"""Networks and probability: encoder, decoder, flows, the VAE."""
