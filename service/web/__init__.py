"""HTTP, inwards: webhooks, the API, health. Turns requests into calls of flow and store, and errors into answers."""
