"""A second computation of what Magento refunds, in exact fractions, held against the planner (`make oracle`)."""
