"""`refundry demo`: the whole way from a webhook to a credit memo, against the sandbox store."""
