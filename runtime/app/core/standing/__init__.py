"""Where the clinic stands with its payments, as its revision says: the reason of its mode, what comes next and when, and where to pay."""
