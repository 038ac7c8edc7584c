"""The way out: proxies, private certificate authorities and the connections that use them. One definition for all."""
