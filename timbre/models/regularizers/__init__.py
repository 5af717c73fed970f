"""Terms of the training objective that order the latent space."""
