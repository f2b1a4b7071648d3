"""HAProxy's controllers, told apart by prefix: haproxy.org, haproxy.com and the community's haproxy-ingress."""
