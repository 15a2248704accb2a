"""What else an operator could take: Flask with Celery and Redis, Node-RED, n8n, each doing the same small job.

The job: prove the sender by Standard Webhooks' HMAC, answer 202, tell the store. Each at its defaults and at the most
durable settings that it has.
"""
