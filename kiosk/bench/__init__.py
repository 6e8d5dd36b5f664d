"""What it costs and how often it errs, measured on your own data: `kiosk bench …`."""
