"""What goes over the wire: calls, answers, and the errors of Ark that several gateways pass on."""
