"""Whatever is sent, a scheme says Verified or Unauthentic: by chance, and guided by coverage."""
