"""Events, measures and pictures to an MQTT broker, and to Home Assistant through it."""
