"""Whatever is sent, a scheme says Verified or Unauthentic and a body becomes events or a reason."""
