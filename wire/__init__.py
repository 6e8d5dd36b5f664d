"""What kiosk and district say to one another: events, their chain and signatures, topics. Pure."""
