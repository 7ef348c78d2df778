"""What the clinic's plan has room for, as its revision says. Enforced where something is added; what there is already goes on."""
