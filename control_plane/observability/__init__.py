"""What can be seen of the platform from outside: what its API answers, how tenants and operations stand, and where to scrape runtimes."""
