"""The meter: what is known of the endpoint becomes five readings, and starts the switch while an off is due."""
