"""ingress-nginx (and NGINX Inc.'s): annotations of Ingresses and keys of the controller's ConfigMap."""
