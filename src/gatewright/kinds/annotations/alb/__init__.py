"""The AWS Load Balancer Controller: annotations of Ingresses for ALBs."""
