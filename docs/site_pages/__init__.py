"""Pages of the site that are made from the product: API, command, profiles, sources that pages link to, tutorials."""
