"""Grafana dashboards as typed values, and their JSON in the chart."""
