"""Our Standard Webhooks verifier beside the reference library, `standardwebhooks`, on requests of all sorts."""
