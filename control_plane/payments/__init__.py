"""What the platform asks of whoever collects money: `stripe` over the official SDK, `manual` for bank transfer and invoices by hand."""
