"""The only place that speaks HTTP to Magento. GETs may be asked again; a refund is posted once."""
